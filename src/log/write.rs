//! Writing the log: what one commit may hold, and the state that commits change.

use crate::model::{
    AttemptRecord, Destination, DestinationId, EventDraft, Heard, Key, KeyHash, KeyId, Notice, Requeue,
    Sequence, StoredEvent, Tenant, TenantId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Everything one caller wants durable together: all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Whose events these are; unused when there are none.
    pub tenant: Option<TenantId>,
    /// New events. One with a given id that is already there with the same content is answered with the stored
    /// event and not written again.
    pub events: Vec<EventDraft>,
    /// The request's idempotency key.
    pub key: Option<CommitKey>,
    /// Outcomes, places and management changes, applied in this order after the events.
    pub changes: Vec<Change>,
}

/// An `Idempotency-Key` with what it was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitKey {
    /// The key with its route, as the caller's tenant sees it.
    pub name: String,
    /// SHA-256 of the request's content.
    pub content: [u8; 32],
}

/// What became durable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Committed {
    /// One for each event of the commit, in its order.
    pub events: Vec<Arc<StoredEvent>>,
    /// For each event whether this commit wrote it; false when it was there already.
    pub fresh: Vec<bool>,
    /// The idempotency key was known with the same content: this is the answer of the first time.
    pub replayed: bool,
}

/// One change of what the log keeps besides events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Adds or replaces a tenant.
    PutTenant(Tenant),
    /// Adds or replaces a key.
    PutKey(Key),
    /// Removes a key.
    RemoveKey(KeyId),
    /// Adds or replaces a destination. A new one starts at its `start_after`.
    PutDestination(Box<Destination>),
    /// Removes a destination with its progress.
    RemoveDestination(DestinationId),
    /// The outcome of an attempt, and the place that follows from it.
    Outcome {
        /// What happened; kept in the delivery log.
        attempt: Box<AttemptRecord>,
        /// The consumer's place after it.
        place: Sequence,
        /// What it says about the endpoint.
        heard: Heard,
    },
    /// Deliveries that have an outcome are sent again.
    Requeue(Box<Requeue>),
    /// A consumer's place moves over events that do not concern it.
    MovePlace {
        /// Whose.
        destination: DestinationId,
        /// Where to.
        place: Sequence,
    },
    /// A destination was switched on: its consumer begins anew.
    Resume {
        /// Whose.
        destination: DestinationId,
        /// Everything up to here is given up, retries that wait as well.
        skip_to: Option<Sequence>,
    },
    /// What was told of an endpoint's health.
    Notice {
        /// Whose.
        destination: DestinationId,
        /// What.
        notice: Notice,
    },
}

/// Tenants, keys and destinations: small, read on every request, replaced as a whole when they change.
#[derive(Debug, Clone, Default)]
pub struct Management {
    /// Counts changes.
    pub version: u64,
    /// By number.
    pub tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// By id.
    pub keys: BTreeMap<KeyId, Arc<Key>>,
    /// The same keys by their hash.
    pub keys_by_hash: HashMap<KeyHash, Arc<Key>>,
    /// By id.
    pub destinations: BTreeMap<DestinationId, Arc<Destination>>,
}

impl Management {
    /// Takes in a management change; outcomes and places are not its business. Returns whether anything changed.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::PutTenant(tenant) => {
                self.tenants.insert(tenant.number, Arc::new(tenant.clone()));
            }
            Change::PutKey(key) => {
                let key = Arc::new(key.clone());
                if let Some(old) = self.keys.insert(key.id, Arc::clone(&key)) {
                    self.keys_by_hash.remove(&old.hash);
                }
                self.keys_by_hash.insert(key.hash, key);
            }
            Change::RemoveKey(id) => {
                if let Some(old) = self.keys.remove(id) {
                    self.keys_by_hash.remove(&old.hash);
                }
            }
            Change::PutDestination(destination) => {
                self.destinations.insert(destination.id, Arc::new((**destination).clone()));
            }
            Change::RemoveDestination(id) => {
                self.destinations.remove(id);
            }
            Change::Outcome { .. }
            | Change::Requeue(_)
            | Change::MovePlace { .. }
            | Change::Resume { .. }
            | Change::Notice { .. } => return false,
        }
        self.version += 1;
        true
    }

    /// Finds a tenant by its name.
    pub fn tenant_named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.values().find(|tenant| tenant.name == name)
    }
}
