//! A disk that loses power.
//!
//! What is left of a file is told in `simulated_file`; a file that was just made may be missing. A disk that lies about
//! one sync in seven is the control: a test that cannot see what it loses sees nothing.
//!
//! One operation may fail while the power stays. A process may end while the power stays: the next one finds the files
//! as the system remembers them, which after a failed sync is not as the disk has them.

use super::disk::{Disk, Handle};
pub(super) use super::simulated_file::Dice;
use super::simulated_file::{SimulatedFile, View};
use redb::{Database, DatabaseError, StorageBackend};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

/// Where a file of the store says whether it was closed cleanly, and how it says that it was not.
const STORE_FLAGS: usize = 9;
const STORE_IS_UNCLEAN: u8 = 2;

/// So much of a file is written over itself at a time.
const REWRITTEN: usize = 1 << 16;

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
        self.alive()
    }

    fn write(&mut self, number: u64, start: usize, data: &[u8]) -> io::Result<()> {
        let stepped = self.step();
        // One that fails may have come some of the way.
        let some = if self.is_dead() { 0 } else { self.dice.below(data.len() as u64 + 1) as usize };
        let data = if stepped.is_ok() { data } else { &data[..some] };
        self.files.get_mut(&number).ok_or_else(missing)?.write(start, data)?;
        stepped
    }

    fn sync(&mut self, number: u64) -> io::Result<()> {
        let stepped = self.step();
        let is_dead = self.is_dead();
        let file = self.files.get_mut(&number).ok_or_else(missing)?;
        match stepped {
            Ok(()) if self.lies && self.operations.is_multiple_of(7) => {}
            Ok(()) => file.sync(),
            Err(_) if is_dead => {}
            Err(_) => file.forget(&mut self.dice),
        }
        stepped
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead() { Err(io::Error::from(ErrorKind::Other)) } else { Ok(()) }
    }

    fn is_dead(&self) -> bool {
        self.operations >= self.dies_at
    }
}

/// What is on the disk when the power is back.
pub(super) type Image = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    pub(super) fn new(image: Image, dies_at: u64, lies: bool, seed: u64) -> Self {
        let names = image.keys().cloned().zip(0..).collect();
        let files = (0..).zip(image.into_values().map(SimulatedFile::of)).collect();
        Self::of(names, files, dies_at, lies, seed)
    }

    fn of(
        names: BTreeMap<String, u64>,
        files: BTreeMap<u64, SimulatedFile>,
        dies_at: u64,
        lies: bool,
        seed: u64,
    ) -> Self {
        let (removed, stumbles_after, misreads, dice) = (Vec::new(), None, false, Dice::new(seed));
        let operations = 0;
        let state =
            State { names, files, operations, dies_at, removed, stumbles_after, misreads, lies, dice };
        Self(Arc::new(Mutex::new(state)))
    }

    /// After so many operations one fails, as when the disk is full for a moment.
    pub(super) fn stumble_after(&self, operations: u64) {
        self.0.lock().unwrap().stumbles_after = Some(operations);
    }

    /// Nothing fails from now on.
    pub(super) fn calm(&self) {
        self.0.lock().unwrap().stumbles_after = None;
    }

    /// The process ends here: nothing that it does arrives any more.
    pub(super) fn kill(&self) {
        self.0.lock().unwrap().dies_at = 0;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.lock().unwrap().is_dead()
    }

    /// Another process begins where one ended, and the power stayed on. It syncs the folder first.
    pub(super) fn goes_on(&self, dies_at: u64) {
        let state = &mut *self.0.lock().unwrap();
        (state.operations, state.dies_at, state.stumbles_after) = (0, dies_at, None);
        state.removed.clear();
        for number in state.names.values() {
            state.files.entry(*number).or_default().is_linked = true;
        }
    }

    /// Every file is as if its process had just ended.
    pub(super) fn unclose(&self) {
        for file in self.0.lock().unwrap().files.values_mut() {
            if let Some(flags) = Arc::make_mut(&mut file.live).get_mut(STORE_FLAGS) {
                *flags |= STORE_IS_UNCLEAN;
            }
        }
    }

    /// The next read fails.
    pub(super) fn misread(&self) {
        self.0.lock().unwrap().misreads = true;
    }

    /// What a loss of power leaves.
    pub(super) fn crash(&self) -> Image {
        let state = &mut *self.0.lock().unwrap();
        let mut image = Image::new();
        for (name, number) in
            state.names.iter().chain(state.removed.iter().map(|(name, number)| (name, number)))
        {
            let file = &state.files[number];
            // What was removed has its name back, if nothing else has.
            let is_sure = file.is_linked && state.names.get(name) == Some(number);
            if !image.contains_key(name) && (is_sure || state.dice.below(2) == 0) {
                image.insert(name.clone(), file.surviving(&mut state.dice));
            }
        }
        image
    }
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
            file.set_len(len as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state, number| state.sync(*number))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state, number| state.write(*number, offset as usize, data))
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
        let old = state.names.insert(name.to_owned(), number);
        state.removed.extend(old.map(|old| (name.to_owned(), old)));
        // Until the folder is synced the new name may be lost.
        state.step()?;
        state.files.entry(number).or_default().is_linked = true;
        state.removed.clear();
        Ok(())
    }

    fn rewrite(&self, name: &str) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        let number = *state.names.get(name).ok_or_else(missing)?;
        let bytes = Arc::clone(&state.files[&number].live);
        for (at, bytes) in (0..).step_by(REWRITTEN).zip(bytes.chunks(REWRITTEN)) {
            state.write(number, at, bytes)?;
        }
        state.sync(number)
    }

    fn open_sealed(&self, name: &str, cache_bytes: usize) -> Result<Handle, DatabaseError> {
        let state = &mut *self.0.lock().unwrap();
        state.step()?;
        let number = state.names.get(name).ok_or_else(missing)?;
        let file = &state.files[number];
        if file.live.get(STORE_FLAGS).is_none_or(|flags| flags & STORE_IS_UNCLEAN != 0) {
            return Err(DatabaseError::RepairAborted);
        }
        let view = View::of(file);
        let opened = Database::builder().set_cache_size(cache_bytes).create_with_backend(view.clone())?;
        view.is_open();
        Ok(Handle::Writable(opened))
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
