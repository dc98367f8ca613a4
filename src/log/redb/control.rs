//! The control file: a checkpoint of everything the log keeps besides events. The journals of the segments are
//! the truth; the checkpoint only saves replaying them from the beginning.

use super::disk::{Disk, OpenError, UNFINISHED, open_again};
use super::schema::{CONTROL, ControlHeader, FORMAT, RETRIES, RetryRow, from_checked_json, to_checked_json};
use crate::log::{Change, Management};
use crate::model::{
    ConsumerState, DestinationId, Gate, Health, ReplayId, ReplayTally, Requeued, RetryState, Sequence,
    UnixMillis,
};
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FILE: &str = "control.redb";
const CACHE: usize = 2 << 20;

/// Everything the log keeps besides events.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) consumers: BTreeMap<DestinationId, ConsumerState>,
    /// Runs of PRE events that are under way.
    pub(super) gates: BTreeMap<Sequence, Gate>,
}

/// What changed since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) management: bool,
    pub(super) consumers: BTreeSet<DestinationId>,
    pub(super) retries: BTreeSet<(DestinationId, Sequence)>,
    pub(super) oldest: bool,
    pub(super) gates: bool,
}

impl Dirty {
    pub(super) fn is_clean(&self) -> bool {
        !self.management
            && !self.oldest
            && !self.gates
            && self.consumers.is_empty()
            && self.retries.is_empty()
    }
}

/// Place and settled events of a consumer; its retries are rows of their own.
#[derive(Serialize, Deserialize)]
struct Place {
    place: Sequence,
    settled: BTreeSet<Sequence>,
    health: Health,
    #[serde(default)]
    replays: Vec<(ReplayId, ReplayTally)>,
}

/// What a checkpoint holds.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) commit: u64,
    pub(super) oldest: Sequence,
    pub(super) management: Management,
    pub(super) kept: Kept,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { commit: 0, oldest: Sequence(1), management: Management::default(), kept: Kept::default() }
    }
}

/// The open control file.
#[derive(Debug)]
pub(super) struct Control {
    /// `None` after a failed write, until the file could be opened again.
    database: Option<Database>,
    /// The commit up to which the file has everything.
    pub(super) commit: u64,
}

impl Control {
    pub(super) fn open(disk: &dyn Disk) -> Result<(Self, Checkpoint), OpenError> {
        let damaged = |detail: String| OpenError::File { file: FILE.to_owned(), detail };
        let database = open_or_make(disk).map_err(|error| damaged(error.to_string()))?;
        let checkpoint = read(&database).map_err(|error| damaged(error.to_string()))?;
        let checkpoint = match checkpoint {
            Some((header, _)) if header.format != FORMAT => {
                let (file, found) = (FILE.to_owned(), header.format);
                return Err(OpenError::Format { file, found, expected: FORMAT });
            }
            Some((_, checkpoint)) => checkpoint,
            None => Checkpoint::default(),
        };
        Ok((Self { database: Some(database), commit: checkpoint.commit }, checkpoint))
    }

    /// Writes what is dirty, and that everything up to `commit` is here now. After a failure the file is closed:
    /// a handle that failed once is never used again.
    pub(super) fn checkpoint(
        &mut self,
        disk: &dyn Disk,
        commit: u64,
        oldest: Sequence,
        dirty: &Dirty,
        management: &Management,
        kept: &Kept,
    ) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_or_make(disk)?,
        };
        write(&database, commit, oldest, dirty, management, kept)?;
        self.database = Some(database);
        self.commit = commit;
        Ok(())
    }
}

/// One checkpoint in one transaction.
fn write(
    database: &Database,
    commit: u64,
    oldest: Sequence,
    dirty: &Dirty,
    management: &Management,
    kept: &Kept,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut control = transaction.open_table(CONTROL)?;
        let header = ControlHeader { format: FORMAT, commit, oldest: oldest.0 };
        control.insert("header", to_checked_json("header", &header).as_slice())?;
        if dirty.management {
            let changes = snapshot(management);
            control.insert("management", to_checked_json("management", &changes).as_slice())?;
        }
        if dirty.gates {
            let gates: Vec<&Gate> = kept.gates.values().collect();
            control.insert("gates", to_checked_json("gates", &gates).as_slice())?;
        }
        let mut retries = transaction.open_table(RETRIES)?;
        for id in &dirty.consumers {
            let name = format!("place/{id}");
            match kept.consumers.get(id) {
                Some(consumer) => {
                    let place = Place {
                        place: consumer.place,
                        settled: consumer.settled.clone(),
                        health: consumer.health,
                        replays: consumer.replays.iter().map(|(id, tally)| (*id, *tally)).collect(),
                    };
                    control.insert(name.as_str(), to_checked_json(&name, &place).as_slice())?;
                }
                None => {
                    control.remove(name.as_str())?;
                    retries.retain_in((id.0, 0)..=(id.0, u64::MAX), |_, _| false)?;
                }
            }
        }
        for (id, sequence) in &dirty.retries {
            let retry = kept.consumers.get(id).and_then(|consumer| consumer.retries.get(sequence));
            match retry {
                Some(retry) => retries.insert((id.0, sequence.0), packed(retry))?,
                None => retries.remove((id.0, sequence.0))?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Set in the attempts of what was put back and keeps its turn: so many are never made.
const KEEPS_TURN: u32 = 1 << 31;

fn packed(retry: &RetryState) -> RetryRow {
    let requeued = retry.requeued.map(|requeued| {
        let turn = if requeued.keeps_turn { KEEPS_TURN } else { 0 };
        (requeued.after | turn, requeued.replay.map_or(0, |id| id.0))
    });
    (retry.attempts, retry.due.0, requeued)
}

fn unpacked((attempts, due, requeued): RetryRow) -> RetryState {
    let replay_of = |id: u128| (id != 0).then_some(ReplayId(id));
    let requeued = requeued.map(|(after, id)| Requeued {
        after: after & !KEEPS_TURN,
        replay: replay_of(id),
        keeps_turn: after & KEEPS_TURN != 0,
    });
    RetryState { attempts, due: UnixMillis(due), requeued }
}

fn open_or_make(disk: &dyn Disk) -> Result<Database, redb::Error> {
    if disk.names()?.iter().any(|name| name == FILE) {
        return Ok(open_again(disk, FILE, CACHE)?);
    }
    let unfinished = format!("{FILE}{UNFINISHED}");
    let database = disk.open(&unfinished, CACHE)?;
    let transaction = database.begin_write()?;
    transaction.open_table(CONTROL)?;
    transaction.open_table(RETRIES)?;
    transaction.commit()?;
    disk.publish(&unfinished, FILE)?;
    Ok(database)
}

/// Management as the changes that make it.
pub(super) fn snapshot(management: &Management) -> Vec<Change> {
    let tenants = management.tenants.values().map(|tenant| Change::PutTenant((**tenant).clone()));
    let keys = management.keys.values().map(|key| Change::PutKey((**key).clone()));
    let destinations =
        management.destinations.values().map(|one| Change::PutDestination(Box::new((**one).clone())));
    let replays = management.replays.values().map(|one| Change::PutReplay(Box::new((**one).clone())));
    let functions = management.functions.snapshot().into_iter();
    let functions = functions.map(|change| Change::Functions(Box::new(change)));
    let types = management.event_types.iter().flat_map(|(tenant, own)| {
        own.values().map(|one| Change::PutEventType(*tenant, Box::new((**one).clone())))
    });
    tenants.chain(keys).chain(destinations).chain(functions).chain(types).chain(replays).collect()
}

fn read(database: &Database) -> Result<Option<(ControlHeader, Checkpoint)>, redb::Error> {
    let unreadable = || redb::Error::Corrupted("a row of the control file cannot be read".to_owned());
    let transaction = database.begin_read()?;
    let control = match transaction.open_table(CONTROL) {
        Ok(control) => control,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut header = None;
    let mut checkpoint = Checkpoint::default();
    for row in control.iter()? {
        let (name, value) = row?;
        match name.value() {
            "header" => {
                let read: ControlHeader =
                    from_checked_json("header", value.value()).ok_or_else(unreadable)?;
                (checkpoint.commit, checkpoint.oldest) = (read.commit, Sequence(read.oldest));
                header = Some(read);
            }
            "management" => {
                let changes: Vec<Change> =
                    from_checked_json("management", value.value()).ok_or_else(unreadable)?;
                for change in &changes {
                    checkpoint.management.apply(change);
                }
            }
            "gates" => {
                let gates: Vec<Gate> = from_checked_json("gates", value.value()).ok_or_else(unreadable)?;
                checkpoint.kept.gates = gates.into_iter().map(|gate| (gate.sequence, gate)).collect();
            }
            name => {
                let id = name.strip_prefix("place/").and_then(|id| DestinationId::parse(id).ok());
                let id = id.ok_or_else(unreadable)?;
                let place: Place = from_checked_json(name, value.value()).ok_or_else(unreadable)?;
                let Place { place, settled, health, replays } = place;
                let (replays, retries) = (replays.into_iter().collect(), BTreeMap::new());
                let consumer = ConsumerState { place, settled, retries, health, replays };
                checkpoint.kept.consumers.insert(id, consumer);
            }
        }
    }
    if header.is_some_and(|header| header.format != FORMAT) {
        // Its rows may be of other types: the caller names the format.
        return Ok(header.map(|header| (header, checkpoint)));
    }
    for row in transaction.open_table(RETRIES)?.iter()? {
        let (key, value) = row?;
        let (id, sequence) = key.value();
        if let Some(consumer) = checkpoint.kept.consumers.get_mut(&DestinationId(id)) {
            consumer.retries.insert(Sequence(sequence), unpacked(value.value()));
        }
    }
    Ok(header.map(|header| (header, checkpoint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_reads_back_as_it_was() {
        let failed = RetryState::failed(3, UnixMillis(5));
        let replay = Some(ReplayId(7));
        let requeued = Some(Requeued { after: 2, replay, keeps_turn: false });
        let after_outcome = RetryState { requeued, ..failed };
        for retry in [
            failed,
            after_outcome,
            failed.put_back(UnixMillis(9), None),
            failed.put_back(UnixMillis(9), replay),
        ] {
            assert_eq!(unpacked(packed(&retry)), retry);
        }
    }
}
