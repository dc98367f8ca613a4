//! A disk that loses power.
//!
//! Sectors of 512 bytes. What was not synced may survive or not, sector by sector, in any version that was ever
//! written; lengths survive apart from contents; a file that was just made may be missing. A disk that lies about
//! one sync in seven is the control: a test that cannot see what it loses sees nothing.

use super::disk::{Disk, Handle};
use redb::{Database, DatabaseError, StorageBackend};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

const SECTOR: usize = 512;

/// A small generator of the test's own, so that a seed tells everything.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Debug, Default, Clone)]
struct SimulatedFile {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Every version of a sector since the last sync.
    pending: BTreeMap<usize, Vec<Vec<u8>>>,
    lengths: Vec<usize>,
    is_linked: bool,
}

#[derive(Debug)]
struct State {
    /// Names to files; an open file keeps its number through a change of name.
    names: BTreeMap<String, u64>,
    files: BTreeMap<u64, SimulatedFile>,
    operations: u64,
    dies_at: u64,
    /// Names that were removed since the folder was last synced: they may come back.
    removed: Vec<(String, u64)>,
    /// After so many operations one fails, the one after it does not.
    stumbles_after: Option<u64>,
    /// The next read fails.
    misreads: bool,
    lies: bool,
    dice: Dice,
}

impl State {
    /// One more operation; the one at which the power goes fails, and all after it.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.stumbles_after {
            Some(0) => {
                self.stumbles_after = None;
                return Err(io::Error::from(ErrorKind::Other));
            }
            Some(more) => self.stumbles_after = Some(more - 1),
            None => {}
        }
        if self.operations >= self.dies_at { Err(io::Error::from(ErrorKind::Other)) } else { Ok(()) }
    }

    fn alive(&self) -> io::Result<()> {
        if self.operations >= self.dies_at { Err(io::Error::from(ErrorKind::Other)) } else { Ok(()) }
    }
}

/// What is on the disk when the power is back.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    pub(super) fn new(image: Image, dies_at: u64, lies: bool, seed: u64) -> Self {
        let file = |bytes: Vec<u8>| SimulatedFile {
            live: bytes.clone(),
            durable: bytes,
            is_linked: true,
            ..SimulatedFile::default()
        };
        let names = image.keys().cloned().zip(0..).collect();
        let files = (0..).zip(image.into_values().map(file)).collect();
        let (removed, misreads, dice) = (Vec::new(), false, Dice::new(seed));
        let state = State {
            names,
            files,
            operations: 0,
            dies_at,
            removed,
            stumbles_after: None,
            misreads,
            lies,
            dice,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// After so many operations one fails, as when the disk is full for a moment.
    pub(super) fn stumble_after(&self, operations: u64) {
        self.0.lock().unwrap().stumbles_after = Some(operations);
    }

    /// The next read fails.
    pub(super) fn misread(&self) {
        self.0.lock().unwrap().misreads = true;
    }

    /// What a loss of power leaves.
    pub(super) fn crash(&self) -> Image {
        let state = &mut *self.0.lock().unwrap();
        let mut image = Image::new();
        let mut names = state.names.clone();
        for (name, number) in &state.removed {
            if state.dice.below(2) == 0 {
                names.entry(name.clone()).or_insert(*number);
            }
        }
        for (name, number) in &names {
            let file = &state.files[number];
            if file.is_linked || state.dice.below(2) == 0 {
                image.insert(name.clone(), surviving(file, &mut state.dice));
            }
        }
        image
    }

    /// What is there when nothing went wrong.
    pub(super) fn image(&self) -> Image {
        let state = self.0.lock().unwrap();
        state.names.iter().map(|(name, number)| (name.clone(), state.files[number].live.clone())).collect()
    }
}

fn surviving(file: &SimulatedFile, dice: &mut Dice) -> Vec<u8> {
    let mut lengths = vec![file.durable.len()];
    lengths.extend(&file.lengths);
    let length = lengths[dice.below(lengths.len() as u64) as usize];
    let mut bytes = file.durable.clone();
    bytes.resize(length.max(bytes.len()), 0);
    // Nothing, everything, or each sector by chance.
    let mode = dice.below(4);
    for (sector, versions) in &file.pending {
        let count = versions.len() as u64;
        let kept = match mode {
            0 => 0,
            1 => count,
            _ => dice.below(count + 1),
        };
        let start = sector * SECTOR;
        if let Some(version) = kept.checked_sub(1).map(|kept| &versions[kept as usize])
            && start + version.len() <= bytes.len()
        {
            bytes[start..start + version.len()].copy_from_slice(version);
        }
    }
    bytes.truncate(length);
    bytes
}

#[derive(Debug)]
struct SimulatedBackend {
    disk: SimulatedDisk,
    number: u64,
}

impl SimulatedBackend {
    fn with<T>(&self, work: impl FnOnce(&mut State, &u64) -> io::Result<T>) -> io::Result<T> {
        work(&mut self.disk.0.lock().unwrap(), &self.number)
    }
}

fn missing() -> io::Error {
    io::Error::from(ErrorKind::NotFound)
}

impl StorageBackend for SimulatedBackend {
    fn len(&self) -> io::Result<u64> {
        self.with(|state, number| {
            state.alive()?;
            Ok(state.files.get(number).ok_or_else(missing)?.live.len() as u64)
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state, number| {
            state.alive()?;
            if std::mem::take(&mut state.misreads) {
                return Err(io::Error::from(ErrorKind::Other));
            }
            let file = state.files.get(number).ok_or_else(missing)?;
            let start = offset as usize;
            let from = file.live.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(from);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state, number| {
            state.step()?;
            let file = state.files.get_mut(number).ok_or_else(missing)?;
            file.live.resize(len as usize, 0);
            file.lengths.push(len as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state, number| {
            state.step()?;
            if state.lies && state.operations.is_multiple_of(7) {
                return Ok(());
            }
            let file = state.files.get_mut(number).ok_or_else(missing)?;
            file.durable.clone_from(&file.live);
            file.pending.clear();
            file.lengths.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state, number| {
            state.step()?;
            let file = state.files.get_mut(number).ok_or_else(missing)?;
            let start = offset as usize;
            let target = file.live.get_mut(start..start + data.len()).ok_or(ErrorKind::UnexpectedEof)?;
            target.copy_from_slice(data);
            for sector in start / SECTOR..(start + data.len()).div_ceil(SECTOR) {
                let end = ((sector + 1) * SECTOR).min(file.live.len());
                let version = file.live[sector * SECTOR..end].to_vec();
                file.pending.entry(sector).or_default().push(version);
            }
            Ok(())
        })
    }
}

impl Disk for SimulatedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }

    fn open(&self, name: &str, cache_bytes: usize) -> Result<Database, DatabaseError> {
        let number = {
            let mut state = self.0.lock().unwrap();
            state.step()?;
            let next = state.files.keys().next_back().map_or(0, |last| last + 1);
            let number = *state.names.entry(name.to_owned()).or_insert(next);
            state.files.entry(number).or_default();
            number
        };
        let backend = SimulatedBackend { disk: self.clone(), number };
        Database::builder().set_cache_size(cache_bytes).create_with_backend(backend)
    }

    fn publish(&self, unfinished: &str, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let number = state.names.remove(unfinished).ok_or_else(missing)?;
        state.names.insert(name.to_owned(), number);
        // Until the folder is synced the new name may be lost.
        state.step()?;
        state.files.entry(number).or_default().is_linked = true;
        state.removed.clear();
        Ok(())
    }

    fn open_sealed(&self, name: &str, cache_bytes: usize) -> Result<Handle, DatabaseError> {
        self.open(name, cache_bytes).map(Handle::Writable)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let number = state.names.remove(name).ok_or_else(missing)?;
        state.removed.push((name.to_owned(), number));
        // Until the folder is synced it may come back.
        state.step()?;
        state.removed.clear();
        Ok(())
    }

    fn size(&self, name: &str) -> u64 {
        let state = self.0.lock().unwrap();
        state.names.get(name).map_or(0, |number| state.files[number].live.len() as u64)
    }

    fn free(&self) -> Option<u64> {
        None
    }

    fn set_ballast(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn release(&self) {}
}
