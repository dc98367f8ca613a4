//! Replays of destinations: made, shown, stopped, and counted without being made. The actors run them.

use super::destinations::draft::read_types;
use super::fields::Fields;
use super::{Broker, ManageError};
use crate::actors::find_for_replay;
use crate::clock;
use crate::log::{Change, Commit, LogError, Management};
use crate::model::{
    DestinationId, Replay, ReplayId, ReplayOnly, ReplayStatus, ReplayTally, Sequence, TenantId, Timestamp,
    Violation,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// So many replays of a destination may be at work or waiting for their turn.
const MOST_UNFINISHED: usize = 20;

/// So many that have ended are kept of a destination; the oldest go first.
const MOST_ENDED: usize = 50;

/// A replay with what became of what it put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The replay.
    pub replay: Arc<Replay>,
    /// Its deliveries so far.
    pub tally: ReplayTally,
}

/// What came of asking for a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayAnswer {
    /// It was made.
    Made(ReplayProgress),
    /// It was only counted: so many deliveries would be put back.
    Counted(u64),
}

/// A replay as a caller asks for it.
struct Ask {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    types: Vec<crate::model::TypePattern>,
    only: ReplayOnly,
    rate_per_s: Option<u32>,
    dry_run: bool,
}

impl Ask {
    fn read(body: Map<String, Value>) -> Result<Self, ManageError> {
        let mut fields = Fields::of(body, "");
        let ask = Self {
            since: fields.read("since", read_time),
            until: fields.read("until", read_time),
            types: fields.read("types", read_types).unwrap_or_default(),
            only: fields.read("only", read_only).unwrap_or_default(),
            rate_per_s: fields.whole("rate_per_s", 1..=100_000).map(|rate| rate as u32),
            dry_run: fields.flag("dry_run").unwrap_or_default(),
        };
        if ask.since.zip(ask.until).is_some_and(|(since, until)| since >= until) {
            fields.refuse("until", "a time after since");
        }
        let violations: Vec<Violation> = fields.finish();
        if violations.is_empty() { Ok(ask) } else { Err(ManageError::Invalid(violations)) }
    }
}

/// An RFC 3339 time.
pub(super) fn read_time(value: &Value) -> Result<Timestamp, String> {
    let time = value.as_str().and_then(|text| Timestamp::parse_bound(text).ok());
    time.ok_or_else(|| "an RFC 3339 time with a zone".to_owned())
}

fn read_only(value: &Value) -> Result<ReplayOnly, String> {
    let only = value.as_str().and_then(ReplayOnly::parse);
    only.ok_or_else(|| "failed, missing or all".to_owned())
}

impl Broker {
    /// Makes a replay of a destination from a request body, or only counts what it would put back.
    pub async fn replay(
        &self,
        tenant: TenantId,
        id: DestinationId,
        body: Map<String, Value>,
    ) -> Result<ReplayAnswer, ManageError> {
        self.destination(tenant, id)?;
        let Ask { since, until, types, only, rate_per_s, dry_run } = Ask::read(body)?;
        let now = clock::now();
        let replay = Replay {
            id: ReplayId::from_parts(now.0.unsigned_abs(), u128::from_le_bytes(clock::random())),
            tenant,
            destination: id,
            since,
            until,
            types,
            only,
            rate_per_s,
            up_to: self.log().bounds().borrow().head,
            status: ReplayStatus::Queued,
            total: None,
            walked_to: Sequence::ZERO,
            created_at: Timestamp::from(now),
            ended_at: None,
        };
        if dry_run {
            return Ok(ReplayAnswer::Counted(self.count_replay(&replay).await?));
        }
        let _one_at_a_time = self.0.life.managing().await;
        self.destination(tenant, id)?;
        let mut changes = make_room(&self.log().management(), id)?;
        changes.push(Change::PutReplay(Box::new(replay.clone())));
        self.log().commit(Commit { changes, ..Commit::default() }).await?;
        let (replay, tally) = (Arc::new(replay), ReplayTally::default());
        Ok(ReplayAnswer::Made(ReplayProgress { replay, tally }))
    }

    async fn count_replay(&self, replay: &Replay) -> Result<u64, LogError> {
        let (mut count, mut after) = (0, Sequence::ZERO);
        while after < replay.up_to {
            let found = find_for_replay(self.log(), replay, after, usize::MAX).await?;
            count += found.deliveries.len() as u64;
            after = found.scanned_to;
        }
        Ok(count)
    }

    /// A tenant's replays, the newest first; of one destination when that is given.
    pub fn replays(&self, tenant: TenantId, of: Option<DestinationId>) -> Vec<ReplayProgress> {
        let management = self.log().management();
        let wanted = |one: &&Arc<Replay>| one.tenant == tenant && of.is_none_or(|id| one.destination == id);
        management.replays.values().rev().filter(wanted).map(|one| self.progress(one)).collect()
    }

    /// How far a replay is.
    pub fn show_replay(&self, tenant: TenantId, id: ReplayId) -> Result<ReplayProgress, ManageError> {
        let management = self.log().management();
        let found = management.replays.get(&id).filter(|one| one.tenant == tenant);
        found.map(|one| self.progress(one)).ok_or(ManageError::NoReplay)
    }

    fn progress(&self, replay: &Arc<Replay>) -> ReplayProgress {
        let tally = self.log().replay_tally(replay.destination, replay.id);
        ReplayProgress { replay: Arc::clone(replay), tally }
    }

    /// Stops a replay: what it put back and was not sent is not sent. One that has ended stays as it is.
    pub async fn stop_replay(&self, tenant: TenantId, id: ReplayId) -> Result<(), ManageError> {
        let _one_at_a_time = self.0.life.managing().await;
        let kept = self.show_replay(tenant, id)?.replay;
        if kept.status.has_ended() {
            return Ok(());
        }
        let ended_at = Some(Timestamp::from(clock::now()));
        let stopped = Replay { status: ReplayStatus::Stopped, ended_at, ..(*kept).clone() };
        let destination = stopped.destination;
        let changes =
            vec![Change::PutReplay(Box::new(stopped)), Change::StopReplay { destination, replay: id }];
        Ok(self.commit_and_tell(changes, move |actors| actors.replay_stopped(destination, id)).await?)
    }
}

/// What goes so that a destination may have one more.
fn make_room(management: &Management, id: DestinationId) -> Result<Vec<Change>, ManageError> {
    let of_destination = || management.replays.values().filter(|one| one.destination == id);
    if of_destination().filter(|one| !one.status.has_ended()).count() >= MOST_UNFINISHED {
        return Err(ManageError::TooManyReplays(MOST_UNFINISHED));
    }
    let ended = of_destination().filter(|one| one.status.has_ended()).rev().skip(MOST_ENDED - 1);
    Ok(ended.map(|one| Change::RemoveReplay { destination: id, replay: one.id }).collect())
}
