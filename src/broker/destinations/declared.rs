//! Destinations of the config (`[[events.webhooks]]`): brought in line on every start.

use super::{blank, new_destination_id, open_secrets, sealed};
use crate::clock;
use crate::config::{Config, WebhookConfig};
use crate::delivery::lifecycle::first_status;
use crate::log::{Change, Management};
use crate::model::{Destination, DestinationStatus, Sequence, TenantId, Timestamp, Violation};
use crate::secrets::Secrets;
use crate::webhook::signature::LiveSecret;
use crate::webhook::{address, signature};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The changes that make the log's declared destinations those of the config. A destination is recognised by
/// its tenant and URL, so that it keeps its place when its types or its secret change.
pub(crate) fn declare_webhooks(
    config: &Config,
    secrets: &Secrets,
    management: &Management,
    tenants: &BTreeMap<String, TenantId>,
    head: Sequence,
) -> Result<Vec<Change>, Violation> {
    let declared = management.destinations.values().filter(|one| one.declared);
    let mut stale: Vec<&Arc<Destination>> = declared.collect();
    let mut changes = Vec::new();
    check_webhooks(config)?;
    for webhook in &config.events.webhooks {
        let Some(tenant) = tenants.get(&webhook.tenant).copied() else { continue };
        let known = stale.iter().position(|one| one.tenant == tenant && one.url == webhook.url);
        let known = known.map(|at| stale.swap_remove(at));
        if let Some(wanted) = wanted(webhook, tenant, known, config, secrets, head) {
            changes.push(Change::PutDestination(Box::new(wanted)));
        }
    }
    let removals = stale.into_iter().map(|one| Change::RemoveDestination(one.id));
    Ok(removals.chain(changes).collect())
}

/// Whether the config's destinations could be declared.
pub(crate) fn check_webhooks(config: &Config) -> Result<(), Violation> {
    config.events.webhooks.iter().enumerate().try_for_each(|(index, webhook)| {
        check(webhook, config).map_err(|violation| violation.under(&format!("/events/webhooks/{index}")))
    })
}

fn check(webhook: &WebhookConfig, config: &Config) -> Result<(), Violation> {
    let policy = address::Policy::of(&config.delivery);
    address::check_url(&webhook.url, &policy)
        .map_err(|problem| Violation::new("/url", problem.detail).with_code(problem.code))?;
    if let Some(secret) = &webhook.secret {
        signature::check_secret(&secret.0).map_err(|why| Violation::new("/secret", why))?;
    }
    Ok(())
}

/// The destination as declared, or `None` when it already is so.
fn wanted(
    webhook: &WebhookConfig,
    tenant: TenantId,
    known: Option<&Arc<Destination>>,
    config: &Config,
    secrets: &Secrets,
    head: Sequence,
) -> Option<Destination> {
    let now = clock::now();
    let mut one = known.map_or_else(
        || blank(new_destination_id(now), tenant, head, now, &config.delivery),
        |known| (**known).clone(),
    );
    let defaults = blank(one.id, tenant, one.start_after, now, &config.delivery);
    one.url.clone_from(&webhook.url);
    one.description.clone_from(&webhook.description);
    one.events.clone_from(&webhook.events);
    one.filter.clone_from(&webhook.filter);
    one.retry = defaults.retry;
    one.retry.enabled = webhook.retry;
    one.timeout_ms = defaults.timeout_ms;
    one.max_in_flight = defaults.max_in_flight;
    one.declared = true;
    if known.is_some_and(|known| known.verification != webhook.verification) {
        one.verified = false;
    }
    one.verification = webhook.verification;
    if one.status != DestinationStatus::Deactivated {
        one.status = first_status(&one);
    }
    let secret = webhook.secret.as_ref().map(|secret| secret.0.as_str());
    if open_secrets(secrets, &one).first().map(LiveSecret::text) != secret {
        one.secrets = secret.iter().map(|text| sealed(secrets, one.id, text)).collect();
    }
    if known.is_some_and(|known| **known == one) {
        return None;
    }
    one.updated_at = Timestamp::from(now);
    Some(one)
}
