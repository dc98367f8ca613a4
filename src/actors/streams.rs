//! The registry's children on other threads: the actors of event streams, beside their sockets.
//!
//! What must hold: every running stream is known here from its start to its end; one that starts while the broker
//! drains is told so too; one that dies is counted. None is built again: its client resumes, which makes a new one.

use super::messages::{Drain, StreamStarted, StreamStopped};
use super::meters::Meters;
use super::registry::RegistryActor;
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the actor of a stream while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StreamId(u64);

/// What a hub knows of the registry: where its streams report.
#[derive(Clone)]
pub struct Supervisor {
    registry: Addr<RegistryActor>,
    last: Arc<AtomicU64>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Supervisor(..)")
    }
}

impl Supervisor {
    pub(super) fn new(registry: Addr<RegistryActor>) -> Self {
        Self { registry, last: Arc::default() }
    }

    /// A name for a new stream.
    pub(super) fn name(&self) -> StreamId {
        StreamId(self.last.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn started(&self, id: StreamId, actor: Recipient<Drain>) {
        self.registry.do_send(StreamStarted { id, actor });
    }

    /// Also told while a panic unwinds: it must not fail.
    pub(super) fn stopped(&self, id: StreamId, died: bool) {
        let _ = self.registry.try_send(StreamStopped { id, died });
    }
}

/// The streams that run.
#[derive(Default)]
pub(super) struct Streams {
    running: HashMap<StreamId, Recipient<Drain>>,
    draining: bool,
}

impl Streams {
    pub(super) fn started(&mut self, StreamStarted { id, actor }: StreamStarted) {
        if self.draining {
            actor.do_send(Drain);
        }
        self.running.insert(id, actor);
    }

    pub(super) fn stopped(&mut self, StreamStopped { id, died }: StreamStopped, meters: &Meters) {
        if self.running.remove(&id).is_some() && died {
            meters.stream_died();
            tracing::warn!("the actor of an event stream died; its client resumes");
        }
    }

    /// Ends them and those that are about to start.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.running.values().for_each(|actor| actor.do_send(Drain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    struct Stream(mpsc::UnboundedSender<u64>, u64);

    impl Actor for Stream {
        type Context = Context<Self>;
    }

    impl Handler<Drain> for Stream {
        type Result = ();
        fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
            self.0.send(self.1).unwrap();
        }
    }

    #[test]
    fn a_drain_reaches_those_that_run_and_those_that_are_about_to() {
        actix_rt::System::new().block_on(async {
            let (sender, mut told) = mpsc::unbounded_channel();
            let stream = |id| StreamStarted {
                id: StreamId(id),
                actor: Stream(sender.clone(), id).start().recipient(),
            };
            let (mut streams, meters) = (Streams::default(), Meters::default());
            streams.started(stream(1));
            streams.started(stream(2));
            streams.stopped(StreamStopped { id: StreamId(1), died: false }, &meters);
            streams.drain();
            assert_eq!(told.recv().await, Some(2));
            streams.started(stream(3));
            assert_eq!(told.recv().await, Some(3));
        });
    }

    #[test]
    fn only_deaths_are_counted_and_each_once() {
        actix_rt::System::new().block_on(async {
            let (sender, _told) = mpsc::unbounded_channel();
            let (mut streams, meters) = (Streams::default(), Meters::default());
            for id in 0..3 {
                let actor = Stream(sender.clone(), id).start().recipient();
                streams.started(StreamStarted { id: StreamId(id), actor });
            }
            for (id, died) in [(0, true), (0, true), (1, false)] {
                streams.stopped(StreamStopped { id: StreamId(id), died }, &meters);
            }
            assert_eq!((meters.stream_deaths(), streams.running.len()), (1, 1));
        });
    }
}
