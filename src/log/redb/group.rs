//! Gathering what is queued into one commit: places for new events, recognising repeated ones.
//!
//! A group holds requests that become durable together; a request that is refused leaves no trace in it.

use super::attempt_row;
use super::columns::{Entry, key_hash};
use super::invocations;
use super::journal;
use super::lookup;
use super::row;
use super::schema::{checked, unchecked};
use super::shared::Shared;
use crate::clock;
use crate::log::{Change, Commit, CommitKey, Committed, LogError};
use crate::model::{EncodeAs, EventDraft, EventId, Sequence, StoredEvent, TenantId, Timestamp, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What an event takes besides its row: its columns, its key, and what pages leave free.
const EVENT_EXTRA: usize = 100;

/// The same of any other row.
const ROW_EXTRA: usize = 48;

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Committed, LogError>>;

/// One queued commit with who waits for it.
pub(super) struct Request {
    pub(super) commit: Commit,
    pub(super) reply: Reply,
}

/// What one transaction will hold.
pub(super) struct Group<'a> {
    shared: &'a Shared,
    now: UnixMillis,
    dedupe_window: Duration,
    /// The place of the next new event.
    pub(super) next: Sequence,
    pub(super) events: Vec<Arc<StoredEvent>>,
    /// For each event whether its id was given.
    given: Vec<bool>,
    pub(super) rows: Vec<Vec<u8>>,
    pub(super) journal: Vec<journal::Entry>,
    pub(super) attempts: Vec<(attempt_row::Key, Vec<u8>)>,
    pub(super) invocations: Vec<invocations::Row>,
    pub(super) keys: Vec<(u64, Vec<u8>)>,
    by_id: HashMap<(TenantId, EventId), Arc<StoredEvent>>,
    by_key: HashMap<(TenantId, String), ([u8; 32], Committed)>,
    pub(super) answers: Vec<(Reply, Result<Committed, LogError>)>,
}

/// What an idempotency key was used for.
#[derive(Debug, Serialize, Deserialize)]
struct KeyUse {
    tenant: TenantId,
    name: String,
    content: [u8; 32],
    stored_at: UnixMillis,
    events: Vec<(Sequence, bool)>,
}

impl<'a> Group<'a> {
    pub(super) fn new(shared: &'a Shared, next: Sequence, dedupe_window: Duration) -> Self {
        Self {
            shared,
            now: clock::now(),
            dedupe_window,
            next,
            events: Vec::new(),
            given: Vec::new(),
            rows: Vec::new(),
            journal: Vec::new(),
            attempts: Vec::new(),
            invocations: Vec::new(),
            keys: Vec::new(),
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            answers: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.journal.is_empty() && self.keys.is_empty()
    }

    /// About what its rows take in a file, without the journal's.
    pub(super) fn bytes(&self) -> u64 {
        let events = self.rows.iter().map(|row| row.len() + EVENT_EXTRA).sum::<usize>();
        let attempts = self.attempts.iter().map(|(_, row)| row.len() + ROW_EXTRA).sum::<usize>();
        let invocations = self.invocations.iter().map(|(_, row)| row.len() + ROW_EXTRA).sum::<usize>();
        let keys = self.keys.iter().map(|(_, row)| row.len() + ROW_EXTRA).sum::<usize>();
        (events + attempts + invocations + keys) as u64
    }

    pub(super) fn stored_at(&self) -> UnixMillis {
        self.now
    }

    /// Takes a request in, or refuses it.
    pub(super) fn add(&mut self, request: Request) {
        let Request { commit, reply } = request;
        let answer = self.take(commit);
        self.answers.push((reply, answer));
    }

    fn take(&mut self, commit: Commit) -> Result<Committed, LogError> {
        let Commit { tenant, events, key, changes } = commit;
        let tenant = tenant.unwrap_or(TenantId(0));
        if let Some(key) = &key
            && let Some(first) = self.known_key(tenant, key)?
        {
            return Ok(first);
        }
        let committed = self.take_events(tenant, events)?;
        if let Some(key) = key {
            self.remember_key(tenant, key, &committed);
        }
        for mut change in changes {
            if !change.takes_place(&committed) {
                continue;
            }
            if let Change::Outcome { attempt, .. } = &change {
                self.attempts.push(attempt_row::encode(attempt));
            }
            self.invocations.extend(invocations::rows_of(&mut change));
            self.journal.push(journal::Entry::of(change));
        }
        Ok(committed)
    }

    /// All events of a request, or none.
    fn take_events(&mut self, tenant: TenantId, drafts: Vec<EventDraft>) -> Result<Committed, LogError> {
        let mut committed = Committed::default();
        let mut staged: Vec<(Arc<StoredEvent>, bool)> = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.into_iter().enumerate() {
            if let Some(id) = &draft.id {
                let staged_one = staged.iter().map(|(event, _)| event).find(|event| event.id() == id);
                let known = match staged_one {
                    Some(event) => Some(Arc::clone(event)),
                    None => self.known_event(tenant, id)?,
                };
                if let Some(known) = known {
                    if !known.is_same_as(&draft) {
                        return Err(LogError::IdTaken { index, id: id.clone() });
                    }
                    committed.events.push(known);
                    committed.fresh.push(false);
                    continue;
                }
            }
            let sequence = Sequence(self.next.0 + staged.len() as u64);
            let given = draft.id.is_some();
            let event = Arc::new(StoredEvent::encode_at(draft, tenant, sequence, self.now));
            staged.push((Arc::clone(&event), given));
            committed.events.push(event);
            committed.fresh.push(true);
        }
        for (event, given) in staged {
            self.push_event(event, given);
        }
        Ok(committed)
    }

    /// Takes in an event that has its place, which must be the next one.
    pub(super) fn adopt(&mut self, event: Arc<StoredEvent>) {
        self.now = event.stored_at();
        let given = event.id().sequence_hint() != Some(event.sequence());
        self.push_event(event, given);
    }

    fn push_event(&mut self, event: Arc<StoredEvent>, given: bool) {
        if given {
            self.by_id.insert((event.tenant(), event.id().clone()), Arc::clone(&event));
        }
        self.rows.push(row::encode(&event));
        self.given.push(given);
        self.next = event.sequence().next();
        self.events.push(event);
    }

    /// An event with this id that is young enough for the publish to be a repetition.
    fn known_event(&self, tenant: TenantId, id: &EventId) -> Result<Option<Arc<StoredEvent>>, LogError> {
        if let Some(event) = self.by_id.get(&(tenant, id.clone())) {
            return Ok(Some(Arc::clone(event)));
        }
        let event = match lookup::find(self.shared, tenant, id) {
            // A row that cannot be read cannot be compared: the publish counts as new.
            Err(LogError::Corrupt { .. }) => None,
            found => found?,
        };
        Ok(event.filter(|event| self.is_recent(event.stored_at())))
    }

    fn is_recent(&self, stored_at: UnixMillis) -> bool {
        u128::from(self.now.since(stored_at)) <= self.dedupe_window.as_millis()
    }

    fn known_key(&self, tenant: TenantId, key: &CommitKey) -> Result<Option<Committed>, LogError> {
        let name = (tenant, key.name.clone());
        let known = match self.by_key.get(&name) {
            Some((content, first)) => Some((*content, Committed { replayed: true, ..first.clone() })),
            None => self.stored_key(tenant, &key.name)?,
        };
        match known {
            Some((content, _)) if content != key.content => Err(LogError::KeyReused),
            known => Ok(known.map(|(_, first)| first)),
        }
    }

    fn stored_key(&self, tenant: TenantId, name: &str) -> Result<Option<([u8; 32], Committed)>, LogError> {
        let hash = key_hash(tenant, name);
        let Some(row) = lookup::key_row(self.shared, hash)? else {
            return Ok(None);
        };
        let read =
            unchecked(&hash.to_le_bytes(), &row).and_then(|json| serde_json::from_slice::<KeyUse>(json).ok());
        let Some(used) = read.filter(|used| used.tenant == tenant && used.name == name) else {
            return Ok(None);
        };
        if !self.is_recent(used.stored_at) {
            return Ok(None);
        }
        let mut first = Committed { replayed: true, ..Committed::default() };
        for (sequence, fresh) in used.events {
            // Trimmed or damaged since: nothing to answer with, so the request counts as new.
            let event = match lookup::get(self.shared, sequence) {
                Err(LogError::Corrupt { .. }) => None,
                found => found?,
            };
            let Some(event) = event else { return Ok(None) };
            first.events.push(event);
            first.fresh.push(fresh);
        }
        Ok(Some((used.content, first)))
    }

    fn remember_key(&mut self, tenant: TenantId, key: CommitKey, committed: &Committed) {
        let hash = key_hash(tenant, &key.name);
        let sequences = committed.events.iter().map(|event| event.sequence());
        let used = KeyUse {
            tenant,
            name: key.name.clone(),
            content: key.content,
            stored_at: self.now,
            events: sequences.zip(committed.fresh.iter().copied()).collect(),
        };
        let json = serde_json::to_vec(&used).expect("a key's use is plain data");
        self.keys.push((hash, checked(&hash.to_le_bytes(), &json)));
        self.by_key.insert((tenant, key.name), (key.content, committed.clone()));
    }

    /// The columns of the new events; a type without a number yet gets the next one.
    pub(super) fn columns(&self, mut number_of: impl FnMut(&str) -> u32) -> Vec<Entry> {
        let events = self.events.iter().zip(&self.given);
        events
            .map(|(event, given)| Entry::of(event, number_of(event.event_type().as_str()), *given))
            .collect()
    }
}

impl StoredEvent {
    /// Gives a draft its place, with the id and the time it lacks.
    fn encode_at(mut draft: EventDraft, tenant: TenantId, sequence: Sequence, now: UnixMillis) -> Self {
        let salt = u16::from_le_bytes(clock::random());
        let id = draft.id.take().unwrap_or_else(|| EventId::generated(now.0.unsigned_abs(), sequence, salt));
        let timestamp = draft.timestamp.unwrap_or_else(|| Timestamp::from(now));
        Self::encode(draft, EncodeAs { sequence, tenant, id, timestamp, stored_at: now })
    }
}
