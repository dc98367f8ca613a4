//! Threads that read: a cold page takes milliseconds, which no HTTP thread and no actor may wait for.

use super::shared::Shared;
use crate::log::{Later, LogError};
use futures_util::FutureExt;
use futures_util::future::ready;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

const THREADS: usize = 2;

/// How many reads may wait.
const QUEUE: usize = 16_384;

type Job = Box<dyn FnOnce(&Shared) + Send>;

/// The reading threads. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Readers {
    jobs: SyncSender<Job>,
}

impl Readers {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let (queue, shared) = (Arc::clone(&queue), Arc::clone(shared));
            let name = format!("log-reader-{number}");
            std::thread::Builder::new().name(name).spawn(move || read_on(&queue, &shared))?;
        }
        Ok(Self { jobs })
    }

    /// Runs a read on one of the threads.
    pub(super) fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, LogError> + Send + 'static,
    ) -> Later<T> {
        let (reply, answer) = oneshot::channel();
        let is_closed = |shared: &Shared| matches!(shared.trouble(), Some(LogError::Closed));
        let job: Job = Box::new(move |shared| {
            // Nobody reads for someone who is gone.
            if !reply.is_closed() {
                let answer = if is_closed(shared) { Err(LogError::Closed) } else { read(shared) };
                // It may have been closed meanwhile.
                let _ = reply
                    .send(answer.map_err(|error| if is_closed(shared) { LogError::Closed } else { error }));
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => answer.map(|answer| answer.unwrap_or(Err(LogError::Closed))).boxed(),
            Err(TrySendError::Full(_)) => ready(Err(LogError::Overloaded)).boxed(),
            Err(TrySendError::Disconnected(_)) => ready(Err(LogError::Closed)).boxed(),
        }
    }
}

fn read_on(queue: &Mutex<Receiver<Job>>, shared: &Shared) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // Whoever waits for one that panics is told so by its silence; the thread goes on for the others.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| job(shared)))),
            Err(_) => return,
        }
    }
}
