//! How many long polls may wait at once.

use super::problem::Problem;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded number of seats.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    taken: AtomicUsize,
    seats: usize,
}

/// A seat, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a>(&'a WaitingRoom);

impl WaitingRoom {
    pub(crate) fn new(seats: usize) -> Self {
        Self { taken: AtomicUsize::new(0), seats }
    }

    /// Takes a seat, or says that all are taken.
    pub(crate) fn sit(&self) -> Result<Seat<'_>, Problem> {
        if self.taken.fetch_add(1, Ordering::Relaxed) >= self.seats {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            let detail = "too many long polls are waiting: poll without wait_ms, or use the stream";
            return Err(Problem::unavailable("overloaded", detail, 1));
        }
        Ok(Seat(self))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
