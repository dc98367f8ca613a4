//! A file of a disk that loses power: what programs see of it, what the disk has, and what lies between.
//!
//! Sectors of 512 bytes. What was not synced may survive or not, sector by sector, in any version that was ever
//! written; lengths survive apart from contents.
//!
//! After a sync that failed the system may believe that it has nothing left to write: what was written before is read
//! back, or is not, and never reaches the disk, however often the file is synced from then on, unless it is written again.

use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

const SECTOR: usize = 512;

/// The system writes no less than a page of so many sectors.
const PAGE: usize = 8;

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
pub(super) struct SimulatedFile {
    /// As programs see it.
    pub(super) live: Arc<Vec<u8>>,
    /// What is on the disk for sure.
    durable: Arc<Vec<u8>>,
    /// Every version of a sector since the last sync.
    pending: BTreeMap<usize, Vec<Vec<u8>>>,
    lengths: Vec<usize>,
    /// Its name is on the disk for sure.
    pub(super) is_linked: bool,
}

impl SimulatedFile {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Self { live: Arc::clone(&bytes), durable: bytes, is_linked: true, ..Self::default() }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        Arc::make_mut(&mut self.live).resize(len, 0);
        self.lengths.push(len);
    }

    pub(super) fn write(&mut self, start: usize, data: &[u8]) -> io::Result<()> {
        let live = Arc::make_mut(&mut self.live);
        let target = live.get_mut(start..start + data.len()).ok_or(ErrorKind::UnexpectedEof)?;
        target.copy_from_slice(data);
        let written = start / SECTOR..(start + data.len()).div_ceil(SECTOR);
        let pages = written.start / PAGE * PAGE..written.end.next_multiple_of(PAGE);
        for sector in pages {
            let version = clipped(&self.live, sector);
            // What the disk lacks of a page goes out with the rest of it; what it has, changes nothing.
            let known = self.pending.get_mut(&sector);
            match known {
                Some(versions) if written.contains(&sector) => versions.push(version.to_vec()),
                None if clipped(&self.durable, sector) != version => {
                    self.pending.insert(sector, vec![version.to_vec()]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        let shortest = self.lengths.drain(..).min().unwrap_or(usize::MAX);
        let durable = Arc::make_mut(&mut self.durable);
        durable.truncate(shortest);
        durable.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.pending).into_keys() {
            let version = clipped(&self.live, sector);
            let start = sector * SECTOR;
            if !version.is_empty() {
                durable[start..start + version.len()].copy_from_slice(version);
            }
        }
    }

    /// A sync failed: some sectors are on the disk all the same, and of the others the system may think that they are.
    pub(super) fn forget(&mut self, dice: &mut Dice) {
        let (is_forgotten, is_read_back) = (dice.below(4) > 0, dice.below(4) > 0);
        let everything = dice.below(2) == 0;
        for (sector, versions) in std::mem::take(&mut self.pending) {
            let start = sector * SECTOR;
            let has_room = |bytes: &[u8], version: &Vec<u8>| start + version.len() <= bytes.len();
            let is_out = !everything && dice.below(2) == 0;
            if is_out
                && let Some(version) = versions.last().filter(|version| has_room(&self.durable, version))
            {
                Arc::make_mut(&mut self.durable)[start..start + version.len()].copy_from_slice(version);
            } else if !is_forgotten {
                self.pending.insert(sector, versions);
            } else if !is_read_back {
                let known = clipped(&self.durable, sector).to_vec();
                let end = self.live.len().min(start + SECTOR);
                if let Some(target) = Arc::make_mut(&mut self.live).get_mut(start..end) {
                    target.fill(0);
                    target.iter_mut().zip(known).for_each(|(byte, known)| *byte = known);
                }
            }
        }
    }

    /// What a loss of power leaves of it.
    pub(super) fn surviving(&self, dice: &mut Dice) -> Vec<u8> {
        let mut lengths = vec![self.durable.len()];
        lengths.extend(&self.lengths);
        let length = lengths[dice.below(lengths.len() as u64) as usize];
        let mut bytes = (*self.durable).clone();
        bytes.resize(length.max(bytes.len()), 0);
        // Nothing, everything, or each sector by chance.
        let mode = dice.below(4);
        for (sector, versions) in &self.pending {
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
}

/// A sector, as far as there is one.
fn clipped(bytes: &[u8], sector: usize) -> &[u8] {
    let end = bytes.len().min((sector + 1) * SECTOR);
    bytes.get(sector * SECTOR..end).unwrap_or_default()
}

/// A file as it was, for who only reads it. The store writes that it has the file open; nobody else sees it, and once it
/// is open nothing more is written.
#[derive(Debug, Clone)]
pub(super) struct View(Arc<Mutex<Viewed>>);

#[derive(Debug)]
struct Viewed {
    bytes: Arc<Vec<u8>>,
    /// From where the store has written.
    written: BTreeMap<usize, Vec<u8>>,
    is_open: bool,
}

impl View {
    pub(super) fn of(file: &SimulatedFile) -> Self {
        let (bytes, written) = (Arc::clone(&file.live), BTreeMap::new());
        Self(Arc::new(Mutex::new(Viewed { bytes, written, is_open: false })))
    }

    pub(super) fn is_open(&self) {
        self.0.lock().unwrap().is_open = true;
    }
}

impl StorageBackend for View {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let viewed = self.0.lock().unwrap();
        let (start, end) = (offset as usize, offset as usize + out.len());
        out.copy_from_slice(viewed.bytes.get(start..end).ok_or(ErrorKind::UnexpectedEof)?);
        for (at, data) in viewed.written.range(..end) {
            let (from, to) = (start.max(*at), end.min(at + data.len()));
            if from < to {
                out[from - start..to - start].copy_from_slice(&data[from - at..to - at]);
            }
        }
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut viewed = self.0.lock().unwrap();
        if viewed.is_open {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        // It writes its first page and nothing else.
        viewed.written.insert(offset as usize, data.to_vec());
        Ok(())
    }
}
