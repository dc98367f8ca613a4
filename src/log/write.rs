//! Writing the log: what one commit may hold, and the state that commits change.

use crate::model::{
    AttemptRecord, Destination, DestinationId, EventDraft, EventType, EventTypeDefinition, EventTypes,
    FunctionBook, FunctionChange, GateChange, Heard, InvocationRecord, Key, KeyHash, KeyId, Notice, Replay,
    ReplayId, Requeue, Sequence, StoredEvent, Tenant, TenantId,
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
    /// Apps, functions, subscriptions and guards.
    Functions(Box<FunctionChange>),
    /// Adds or replaces an event type of a tenant's own.
    PutEventType(TenantId, Box<EventTypeDefinition>),
    /// Removes an event type of a tenant's own.
    RemoveEventType(TenantId, EventType),
    /// A PRE event's run begins, with the commit's first event when that is a new one, or ends.
    Gate(Box<GateChange>),
    /// An attempt of a POST event's function, and the place of its subscription that follows from it.
    Invoked {
        /// What happened; kept in the list of invocations. Its consumer and its verdict are given.
        record: Box<InvocationRecord>,
        /// The consumer's place after it.
        place: Sequence,
        /// What it says about the function.
        heard: Heard,
    },
    /// What was told of an endpoint's health.
    Notice {
        /// Whose.
        destination: DestinationId,
        /// What.
        notice: Notice,
    },
    /// Adds or replaces a replay.
    PutReplay(Box<Replay>),
    /// What a replay put back and was not sent is given up.
    StopReplay {
        /// Of which destination.
        destination: DestinationId,
        /// Which.
        replay: ReplayId,
    },
    /// Removes a replay with its tally.
    RemoveReplay {
        /// Of which destination.
        destination: DestinationId,
        /// Which.
        replay: ReplayId,
    },
}

impl Change {
    /// Gives a run that begins the place of its event. False when there is nothing to begin: the event was there
    /// already.
    pub(super) fn takes_place(&mut self, committed: &Committed) -> bool {
        let Self::Gate(change) = self else { return true };
        let GateChange::Open(gate) = &mut **change else { return true };
        let (Some(event), Some(true)) = (committed.events.first(), committed.fresh.first()) else {
            return false;
        };
        gate.sequence = event.sequence();
        gate.event_id = Some(event.id().clone());
        gate.opened_at = event.stored_at();
        true
    }
}

/// Tenants, keys, destinations and their replays: small, read on every request, replaced as a whole when they change.
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
    /// Apps, functions, subscriptions and guards.
    pub functions: Arc<FunctionBook>,
    /// Tenants' own event types. A tenant without any is not here.
    pub event_types: BTreeMap<TenantId, Arc<EventTypes>>,
    /// By id, which is in order of creation.
    pub replays: BTreeMap<ReplayId, Arc<Replay>>,
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
                self.replays.retain(|_, replay| replay.destination != *id);
            }
            Change::PutReplay(replay) => {
                self.replays.insert(replay.id, Arc::new((**replay).clone()));
            }
            Change::RemoveReplay { replay, .. } => {
                self.replays.remove(replay);
            }
            Change::Functions(change) => Arc::make_mut(&mut self.functions).apply(change),
            Change::PutEventType(tenant, definition) => {
                let own = Arc::make_mut(self.event_types.entry(*tenant).or_default());
                own.insert(definition.name.clone(), Arc::new((**definition).clone()));
            }
            Change::RemoveEventType(tenant, name) => self.remove_event_type(*tenant, name),
            Change::Outcome { .. }
            | Change::Invoked { .. }
            | Change::Gate(_)
            | Change::Requeue(_)
            | Change::MovePlace { .. }
            | Change::StopReplay { .. }
            | Change::Resume { .. }
            | Change::Notice { .. } => return false,
        }
        self.version += 1;
        true
    }

    fn remove_event_type(&mut self, tenant: TenantId, name: &EventType) {
        let Some(own) = self.event_types.get_mut(&tenant) else { return };
        Arc::make_mut(own).remove(name);
        if own.is_empty() {
            self.event_types.remove(&tenant);
        }
    }

    /// Finds a tenant by its name.
    pub fn tenant_named(&self, name: &str) -> Option<&Arc<Tenant>> {
        self.tenants.values().find(|tenant| tenant.name == name)
    }
}
