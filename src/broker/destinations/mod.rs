//! Managing destinations: what is created, changed and removed becomes durable here, and the registry of
//! actors follows.

mod declared;
pub(super) mod draft;
#[cfg(test)]
mod filter_tests;
mod lag;
mod life;
mod rotation;
mod shown;
mod status;
mod trial;

pub(crate) use declared::{check_webhooks, declare_webhooks};
pub use lag::Lag;
pub(crate) use life::Life;
pub use rotation::Rotated;
pub use status::{Backlog, Verified};
pub(crate) use trial::Asking;
pub use trial::Trial;

use super::Broker;
use crate::clock;
use crate::delivery::lifecycle::{self, Request, Unverified};
use crate::log::{Bounds, Change, Commit, LogError, Order, Query};
use crate::model::{
    Destination, DestinationId, DestinationStatus, EventFilter, Ordering, RetryPolicy, SealedSecret,
    Sequence, TenantId, Timestamp, UnixMillis, Verification, Violation,
};
use crate::secrets::Secrets;
use crate::webhook::headers;
use crate::webhook::signature::LiveSecret;
use base64::prelude::{BASE64_STANDARD, Engine};
use draft::{Draft, Purpose, Start};
use lag::lag_of;
use serde_json::{Map, Value};
use shown::shown;
use std::sync::Arc;

/// Why a destination was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManageError {
    /// There is none of that id in the tenant.
    #[error("there is no such destination")]
    NotFound,
    /// There is no such key in the tenant.
    #[error("there is no such key")]
    NoKey,
    /// There is no such delivery in the tenant.
    #[error("there is no such delivery")]
    NoDelivery,
    /// There is no such replay in the tenant.
    #[error("there is no such replay")]
    NoReplay,
    /// The destination has as many that have not ended as it may have.
    #[error("the destination has {0} replays that have not ended: stop one, or wait")]
    TooManyReplays(usize),
    /// The event of a delivery is gone.
    #[error("the event went by retention: it cannot be sent again")]
    Expired,
    /// What was asked for breaks rules.
    #[error("the destination is invalid")]
    Invalid(Vec<Violation>),
    /// It is declared in the config and changed there.
    #[error("it is declared in the config file: change it there")]
    Declared,
    /// The tenant has as many as it may have.
    #[error("the tenant has {0} destinations, which is delivery.max_destinations")]
    TooMany(usize),
    /// The tenant has as many keys as it may have.
    #[error("the tenant has {0} keys, which is server.max_keys: remove one first")]
    TooManyKeys(usize),
    /// More secrets would sign than may.
    #[error(
        "{0} earlier secrets sign beside the current one: wait for one's end, or end them all with overlap_s 0"
    )]
    TooManySecrets(usize),
    /// As many trials and verifications are under way as may be.
    #[error("{0} tests and verifications of the tenant are under way, which is delivery.max_tests")]
    TooManyTests(usize),
    /// It waits for its verification.
    #[error(transparent)]
    Pending(#[from] Unverified),
    /// It is deactivated.
    #[error("the destination is deactivated: activate it first")]
    Off,
    /// Its endpoint need not consent.
    #[error("the destination's verification is none: there is nothing to verify")]
    NothingToVerify,
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A destination that was just created, with the only sight of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The destination.
    pub destination: Arc<Destination>,
    /// Its secret, given or made; `None` when unsigned.
    pub secret: Option<String>,
}

impl Broker {
    /// A tenant's destinations in order of creation.
    pub fn destinations(&self, tenant: TenantId) -> Vec<Arc<Destination>> {
        let management = self.log().management();
        management.destinations.values().filter(|one| one.tenant == tenant).cloned().collect()
    }

    /// One destination of a tenant.
    pub fn destination(&self, tenant: TenantId, id: DestinationId) -> Result<Arc<Destination>, ManageError> {
        let management = self.log().management();
        let found = management.destinations.get(&id).filter(|one| one.tenant == tenant);
        found.cloned().ok_or(ManageError::NotFound)
    }

    /// Creates a destination from a request body.
    pub async fn create_destination(
        &self,
        tenant: TenantId,
        body: Map<String, Value>,
    ) -> Result<Created, ManageError> {
        let config = &self.config().delivery;
        let draft = Draft::read(body, Purpose::Create, config).map_err(ManageError::Invalid)?;
        let _one_at_a_time = self.0.life.managing().await;
        if self.destinations(tenant).len() >= config.max_destinations {
            return Err(ManageError::TooMany(config.max_destinations));
        }
        let bounds = *self.log().bounds().borrow();
        let start_after = self.start_place(tenant, draft.start.unwrap_or(Start::Now), bounds).await?;
        let now = clock::now();
        let id = new_destination_id(now);
        let secret = draft.secret.clone().unwrap_or_else(|| Some(new_signing_secret()));
        let mut destination = blank(id, tenant, start_after, now, config);
        destination.secrets = secret.iter().map(|text| sealed(self.secrets(), id, text)).collect();
        update(&mut destination, draft)?;
        destination.status = lifecycle::first_status(&destination);
        let changes = vec![Change::PutDestination(Box::new(destination.clone()))];
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        Ok(Created { destination: Arc::new(destination), secret })
    }

    /// Changes the members a request body gives; the next attempt uses them. With another URL, or another way to verify,
    /// it is verified again.
    pub async fn change_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
        body: Map<String, Value>,
    ) -> Result<Arc<Destination>, ManageError> {
        let draft = Draft::read(body, Purpose::Change, &self.config().delivery);
        let _one_at_a_time = self.0.life.managing().await;
        let found = self.destination(tenant, id)?;
        let draft = draft.map_err(ManageError::Invalid)?;
        if draft == Draft::default() {
            return Ok(found);
        }
        if found.declared {
            return Err(ManageError::Declared);
        }
        let mut destination = (*found).clone();
        update(&mut destination, draft)?;
        let now = Timestamp::from(clock::now());
        match lifecycle::change(&found, Request::Become(Box::new(destination)), now)? {
            Some(changed) => Ok(self.0.life.put(&found, changed, None, Vec::new()).await?),
            None => Ok(found),
        }
    }

    /// Removes a destination; what waits for it is no longer sent.
    pub async fn remove_destination(&self, tenant: TenantId, id: DestinationId) -> Result<(), ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        if self.destination(tenant, id)?.declared {
            return Err(ManageError::Declared);
        }
        let changes = vec![Change::RemoveDestination(id)];
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        Ok(())
    }

    /// How far a destination is behind the head.
    pub async fn lag(&self, destination: &Destination) -> Result<Lag, LogError> {
        let consumer = self.log().consumer(destination.id).unwrap_or_default();
        lag_of(&**self.log(), destination, &consumer).await
    }

    /// A destination as the API shows it.
    pub async fn shown(&self, destination: &Destination) -> Result<serde_json::Value, LogError> {
        let consumer = self.log().consumer(destination.id).unwrap_or_default();
        let format = self.0.formats.of_all(destination.tenant);
        Ok(shown(destination, format, lag_of(&**self.log(), destination, &consumer).await?, consumer.health))
    }

    async fn start_place(
        &self,
        tenant: TenantId,
        start: Start,
        bounds: Bounds,
    ) -> Result<Sequence, ManageError> {
        match start {
            Start::Now => Ok(bounds.head),
            Start::Oldest => Ok(bounds.oldest.previous()),
            Start::After(place) if place > bounds.head => {
                let detail = format!("beyond the newest event, {}", bounds.head);
                Err(ManageError::Invalid(vec![Violation::new("/start", detail)]))
            }
            Start::After(place) => Ok(place.max(bounds.oldest.previous())),
            Start::Since(time) => {
                let filter = EventFilter { since: Some(time), ..EventFilter::default() };
                let from = bounds.oldest.previous();
                let order = Order::Ascending;
                let query = Query { tenant, filter, from, up_to: bounds.head, order, limit: 1, max_bytes: 1 };
                let first = self.log().read(query).await?.events.first().map(|event| event.sequence());
                Ok(first.map_or(bounds.head, Sequence::previous))
            }
        }
    }
}

/// A destination with every default of the config, sending nothing anywhere yet.
fn blank(
    id: DestinationId,
    tenant: TenantId,
    start_after: Sequence,
    now: UnixMillis,
    config: &crate::config::DeliveryConfig,
) -> Destination {
    let schedule_s = config.schedule.iter().map(std::time::Duration::as_secs).collect();
    Destination {
        id,
        tenant,
        url: String::new(),
        description: String::new(),
        events: Vec::new(),
        filter: None,
        format: None,
        status: DestinationStatus::Active,
        deactivation: None,
        verification: Verification::Challenge,
        verified: false,
        headers: std::collections::BTreeMap::new(),
        retry: RetryPolicy { enabled: true, schedule_s },
        timeout_ms: config.timeout.as_millis() as u64,
        max_in_flight: config.max_in_flight,
        rate_limit_per_s: None,
        ordering: Ordering::None,
        signature_header: crate::webhook::headers::SIGNATURE.to_owned(),
        secrets: Vec::new(),
        start_after,
        declared: false,
        created_at: Timestamp::from(now),
        updated_at: Timestamp::from(now),
    }
}

/// Takes over every member the draft has. What they break together is refused.
fn update(destination: &mut Destination, draft: Draft) -> Result<(), ManageError> {
    fn set<T>(member: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *member = given;
        }
    }
    set(&mut destination.url, draft.url);
    set(&mut destination.description, draft.description);
    set(&mut destination.events, draft.events);
    set(&mut destination.filter, draft.filter);
    set(&mut destination.format, draft.format);
    set(&mut destination.headers, draft.headers);
    set(&mut destination.retry.enabled, draft.retry_enabled);
    set(&mut destination.retry.schedule_s, draft.schedule_s);
    set(&mut destination.timeout_ms, draft.timeout_ms);
    set(&mut destination.max_in_flight, draft.max_in_flight);
    set(&mut destination.rate_limit_per_s, draft.rate_limit_per_s);
    set(&mut destination.ordering, draft.ordering);
    set(&mut destination.signature_header, draft.signature_header);
    set(&mut destination.verification, draft.verification);
    if headers::stands_among(&destination.signature_header, &destination.headers) {
        let detail = "this header stands among the destination's own headers";
        return Err(ManageError::Invalid(vec![Violation::new("/signature_header", detail)]));
    }
    Ok(())
}

pub(super) fn new_destination_id(now: UnixMillis) -> DestinationId {
    DestinationId::from_parts(now.0.unsigned_abs(), u128::from_le_bytes(clock::random()))
}

/// `whsec_` and 32 random bytes in base64 (Standard Webhooks).
pub(super) fn new_signing_secret() -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(clock::random::<32>()))
}

fn sealed(secrets: &Secrets, id: DestinationId, secret: &str) -> SealedSecret {
    SealedSecret { sealed: secrets.seal(secret, &id.to_string()), expires_at: None }
}

/// A destination's signing secrets in the clear, the current one first: for signing only.
pub(crate) fn open_secrets(secrets: &Secrets, destination: &Destination) -> Vec<LiveSecret> {
    let owner = destination.id.to_string();
    let open = |secret: &SealedSecret| {
        let text = secrets.open(&secret.sealed, &owner).ok()?;
        Some(LiveSecret::new(text, secret.expires_at.map(UnixMillis::from)))
    };
    destination.secrets.iter().filter_map(open).collect()
}
