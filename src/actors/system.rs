//! The threads that actors live on, and the handle that every other thread has on them.

use super::functions::{
    CancelGate, CancelGates, FunctionRegistry, FunctionSetup, FunctionSurroundings, FunctionsRequeued,
    GatePublication, PublishGate,
};
use super::messages::{
    Committed, Drain, DrainStreams, ManagementChanged, Post, ReplayStopped, Requeued, StillRunning,
};
use super::meters::Meters;
use super::registry::RegistryActor;
use super::shard::{Keeper, OpenSecrets, Surroundings};
use super::streams::Supervisor;
use crate::config::DeliveryConfig;
use crate::log::EventLog;
use crate::model::{DestinationId, ReplayId, Requeue, Sequence};
use crate::webhook::delivery::FormatOf;
use crate::webhook::tls::{TlsError, tls_config};
use crate::webhook::{Answer, Outgoing};
use actix::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Shards when the config leaves it open: one a core, at most this many.
const SHARDS_MAX: usize = 4;

/// How often a drain looks whether it is done.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// The running actors.
#[derive(Clone)]
pub struct Actors(Arc<Inner>);

struct Inner {
    registry: Addr<RegistryActor>,
    functions: Addr<FunctionRegistry>,
    supervisor: Supervisor,
    system: System,
    thread: Mutex<Option<JoinHandle<()>>>,
    meters: Arc<Meters>,
}

impl std::fmt::Debug for Actors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Actors(..)")
    }
}

/// Why the actors did not start.
#[derive(Debug, thiserror::Error)]
pub enum ActorsError {
    /// TLS settings could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("the actors' thread could not be started: {0}")]
    Thread(String),
}

impl Actors {
    /// Starts them on threads of their own; callable from any runtime or none.
    pub fn start(
        log: Arc<dyn EventLog>,
        config: &DeliveryConfig,
        open_secrets: OpenSecrets,
        format_of: FormatOf,
        keeper: Arc<dyn Keeper>,
        setup: FunctionSetup,
    ) -> Result<Self, ActorsError> {
        let tls = tls_config(config.ca_file.as_deref())?;
        let meters = Arc::new(Meters::default());
        let counted = Arc::clone(&meters);
        let around =
            Surroundings { log, config: config.clone(), open_secrets, format_of, keeper, tls, meters };
        let shards = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(SHARDS_MAX),
            shards => shards,
        };
        let (ready, started) = std::sync::mpsc::channel();
        let run = move || {
            let runner = System::new();
            let (registry, functions) = runner.block_on(async move {
                let shards: Vec<ArbiterHandle> = (0..shards).map(|_| Arbiter::new().handle()).collect();
                let log = Arc::clone(&around.log);
                let FunctionSetup { config, host, gates } = setup;
                let of_functions = FunctionSurroundings { base: around.clone(), config, host, gates };
                let functions = FunctionRegistry::new(of_functions, shards.clone()).start();
                follow(&log, &functions);
                let registry = RegistryActor::new(around, shards).start();
                follow(&log, &registry);
                (registry, functions)
            });
            let system = System::current();
            if ready.send((registry, functions, system)).is_ok()
                && let Err(error) = runner.run()
            {
                tracing::error!(%error, "the actors' system failed");
            }
        };
        let thread = std::thread::Builder::new().name("campanile-actors".to_owned()).spawn(run);
        let thread = thread.map_err(|error| ActorsError::Thread(error.to_string()))?;
        let started = started.recv().map_err(|error| ActorsError::Thread(error.to_string()))?;
        let (registry, functions, system) = started;
        let (thread, supervisor) = (Mutex::new(Some(thread)), Supervisor::new(registry.clone()));
        Ok(Self(Arc::new(Inner { registry, functions, supervisor, system, thread, meters: counted })))
    }

    /// What was counted since they started.
    pub fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Whether those that all others answer to live. Nothing is delivered without them.
    pub fn are_running(&self) -> bool {
        self.0.registry.connected() && self.0.functions.connected()
    }

    /// Where event streams report.
    pub fn supervisor(&self) -> Supervisor {
        self.0.supervisor.clone()
    }

    /// Ends all event streams, and those that are still to start.
    pub fn drain_streams(&self) {
        self.0.registry.do_send(DrainStreams);
    }

    /// Makes one request outside of any delivery; `None` when the actors are gone.
    pub async fn post(&self, request: Outgoing) -> Option<Answer> {
        self.0.registry.send(Post(request)).await.ok().flatten()
    }

    /// Does something to its end, also when whoever asked for it is gone meanwhile; `None` when the actors are.
    pub async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, ended) = oneshot::channel();
        self.0.system.arbiter().spawn(async move { drop(done.send(work.await)) });
        ended.await.ok()
    }

    /// Tells a destination what was put back for it; it must be durable already.
    pub fn requeued(&self, requeue: Requeue) {
        self.0.registry.do_send(Requeued(requeue));
    }

    /// Tells a destination that a replay was stopped; it must be durable already.
    pub fn replay_stopped(&self, destination: DestinationId, replay: ReplayId) {
        self.0.registry.do_send(ReplayStopped { destination, replay });
    }

    /// Makes a PRE event durable and begins its run, whether somebody waits for it or not.
    pub fn publish_gate(&self, publication: GatePublication) {
        self.0.functions.do_send(PublishGate(publication));
    }

    /// Ends the run of a PRE event whose publisher is gone.
    pub fn cancel_gate(&self, sequence: Sequence) {
        self.0.functions.do_send(CancelGate(sequence));
    }

    /// Ends the runs of all PRE events, those that are about to begin too.
    pub fn cancel_gates(&self) {
        self.0.functions.do_send(CancelGates);
    }

    /// Tells a subscription what was put back for it; it must be durable already.
    pub fn functions_requeued(&self, requeue: Requeue) {
        self.0.functions.do_send(FunctionsRequeued(requeue));
    }

    /// Makes no new attempts, waits at most `patience` for what is under way, and ends the threads.
    pub async fn stop(&self, patience: Duration) {
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let (done, drained) = oneshot::channel();
        let (registry, functions) = (self.0.registry.clone(), self.0.functions.clone());
        let (system, arbiter) = (self.0.system.clone(), self.0.system.arbiter().clone());
        // Timers need the actors' runtime: the caller's may be another, or none.
        arbiter.spawn(async move {
            registry.do_send(Drain);
            functions.do_send(Drain);
            let waiting = async {
                while registry.send(StillRunning).await.is_ok_and(|running| running > 0)
                    || functions.send(StillRunning).await.is_ok_and(|running| running > 0)
                {
                    tokio::time::sleep(DRAIN_POLL).await;
                }
            };
            // Past its patience: what is under way is delivered again after the next start.
            drop(tokio::time::timeout(patience, waiting).await);
            let _ = done.send(());
        });
        drop(drained.await);
        system.stop();
        if let Err(error) =
            std::thread::Builder::new().name("actors-closer".to_owned()).spawn(move || thread.join())
        {
            tracing::warn!(%error, "no thread to wait for the actors");
        }
    }
}

/// Passes on what the log tells: at most one message of a kind waits at a time.
fn follow<A>(log: &Arc<dyn EventLog>, registry: &Addr<A>)
where
    A: Actor<Context = Context<A>> + Handler<Committed> + Handler<ManagementChanged>,
{
    let (mut bounds, mut management) = (log.bounds(), log.management_changed());
    let to = registry.clone();
    actix_rt::spawn(async move {
        while bounds.changed().await.is_ok() {
            // Waiting for the answer is what bounds it: commits meanwhile become one message.
            if to.send(Committed).await.is_err() {
                return;
            }
        }
    });
    let to = registry.clone();
    actix_rt::spawn(async move {
        while management.changed().await.is_ok() {
            if to.send(ManagementChanged).await.is_err() {
                return;
            }
        }
    });
}
