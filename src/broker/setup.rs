//! What a broker makes sure of when it starts: tenants and keys that the config declares.

use super::StartError;
use super::destinations::{check_webhooks, declare_webhooks, open_secrets};
use super::functions::open_function_secrets;
use crate::actors::ActorsError;
use crate::clock;
use crate::config::{Config, KeyConfig};
use crate::delivery::lifecycle::{self, Request};
use crate::log::{Change, Commit, EventLog, Management};
use crate::model::{Key, KeyId, PayloadFilter, Scopes, Tenant, TenantId, Timestamp, UnixMillis};
use crate::secrets::Secrets;
use crate::webhook::tls::tls_config;
use futures_executor::block_on;
use std::collections::BTreeMap;

/// The tenant that is always there.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// Whether a broker could start with a config, as far as that can be said without touching its data folder.
pub fn check(config: &Config) -> Result<(), StartError> {
    check_webhooks(config).map_err(StartError::Invalid)?;
    tls_config(config.delivery.ca_file.as_deref()).map_err(ActorsError::Tls)?;
    Ok(())
}

/// Brings tenants and declared keys in line with the config.
pub(super) fn declare(config: &Config, secrets: &Secrets, log: &dyn EventLog) -> Result<(), StartError> {
    let management = log.management();
    let now = clock::now();
    let mut tenants = Tenants::of(&management, now);
    for name in tenant_names(config) {
        tenants.number_of(name);
    }
    tell_broken_filters(&management);
    let mut changes = tenants.added;
    let keys = declared_keys(config, secrets, &management, &tenants.numbers, now);
    changes.extend(keys);
    let head = log.bounds().borrow().head;
    let webhooks = declare_webhooks(config, secrets, &management, &tenants.numbers, head);
    changes.extend(webhooks.map_err(StartError::Invalid)?);
    changes.extend(forgotten_secrets(&management, now));
    if !changes.is_empty() {
        block_on(log.commit(Commit { changes, ..Commit::default() }))?;
    }
    tell_sealed(secrets, &log.management());
    Ok(())
}

/// What was sealed with another master key is not sent unsigned, and somebody should know.
fn tell_sealed(secrets: &Secrets, management: &Management) {
    let why =
        "its secret cannot be opened with this master key: put the earlier one back, or rotate the secret";
    for one in management.destinations.values() {
        if !one.secrets.is_empty() && open_secrets(secrets, one).is_empty() {
            tracing::error!(destination = %one.id, %why, "nothing is sent there: its events wait");
        }
    }
    for one in management.functions.functions.values() {
        if !one.secrets.is_empty() && open_function_secrets(secrets, one).is_empty() {
            tracing::error!(function = %one.id, %why, "it is not called");
        }
    }
}

/// A destination whose stored filter this version does not understand is not run, and somebody should know.
fn tell_broken_filters(management: &Management) {
    for one in management.destinations.values() {
        if let Some(why) = one.filter.as_ref().and_then(PayloadFilter::broken) {
            tracing::error!(destination = %one.id, %why, "its filter is none any more: its events wait");
        }
    }
}

/// Secrets whose overlap ended while nothing ran are kept no longer.
fn forgotten_secrets(management: &Management, now: UnixMillis) -> impl Iterator<Item = Change> {
    management.destinations.values().filter_map(move |one| {
        let changed = lifecycle::change(one, Request::ForgetSecrets, Timestamp::from(now)).ok().flatten()?;
        Some(Change::PutDestination(Box::new(changed.destination)))
    })
}

fn tenant_names(config: &Config) -> impl Iterator<Item = &str> {
    let of_keys = config.keys.iter().map(|key| key.tenant.as_str());
    let of_webhooks = config.events.webhooks.iter().map(|webhook| webhook.tenant.as_str());
    std::iter::once(DEFAULT_TENANT).chain(of_keys).chain(of_webhooks)
}

struct Tenants {
    numbers: BTreeMap<String, TenantId>,
    added: Vec<Change>,
    now: UnixMillis,
}

impl Tenants {
    fn of(management: &Management, now: UnixMillis) -> Self {
        let numbers =
            management.tenants.values().map(|tenant| (tenant.name.clone(), tenant.number)).collect();
        Self { numbers, added: Vec::new(), now }
    }

    fn number_of(&mut self, name: &str) -> TenantId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = TenantId(self.numbers.values().map(|number| number.0).max().unwrap_or(0) + 1);
        let tenant = Tenant { number, name: name.to_owned(), created_at: Timestamp::from(self.now) };
        self.added.push(Change::PutTenant(tenant));
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

/// Declared keys that are new or changed are put, those no longer declared are removed.
fn declared_keys(
    config: &Config,
    secrets: &Secrets,
    management: &Management,
    tenants: &BTreeMap<String, TenantId>,
    now: UnixMillis,
) -> Vec<Change> {
    let mut stale: BTreeMap<KeyId, &Key> =
        management.keys.values().filter(|key| key.declared).map(|key| (key.id, &**key)).collect();
    let mut changes = Vec::new();
    for declared in &config.keys {
        let Some(tenant) = tenants.get(&declared.tenant) else {
            continue;
        };
        let hash = secrets.hash_key(&declared.token.0);
        let known = stale.values().find(|key| key.hash == hash).map(|key| (*key).clone());
        if let Some(known) = &known {
            stale.remove(&known.id);
        }
        let id = known.as_ref().map_or_else(|| new_key_id(now), |key| key.id);
        let created_at = known.as_ref().map_or_else(|| Timestamp::from(now), |key| key.created_at);
        let key = declared_key(declared, id, *tenant, hash, created_at);
        if known.as_ref() != Some(&key) {
            changes.push(Change::PutKey(key));
        }
    }
    // Removals go first: a key whose token moved to another name must not be taken away again.
    let removals = stale.into_keys().map(Change::RemoveKey);
    removals.chain(changes).collect()
}

fn declared_key(
    declared: &KeyConfig,
    id: KeyId,
    tenant: TenantId,
    hash: crate::model::KeyHash,
    created_at: Timestamp,
) -> Key {
    Key {
        id,
        tenant,
        name: declared.name.clone(),
        scopes: Scopes(declared.scopes.0.clone()),
        hash,
        hint: String::new(),
        declared: true,
        created_at,
        expires_at: declared.expires_at,
    }
}

/// A new key's id.
pub(crate) fn new_key_id(now: UnixMillis) -> KeyId {
    KeyId::from_parts(now.0.unsigned_abs(), u128::from_le_bytes(clock::random()))
}
