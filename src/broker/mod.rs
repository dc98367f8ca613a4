//! The embeddable facade: one handle on the whole broker, usable from every thread and runtime.
//!
//! The only module that knows every adapter and puts them together. It owns no policy: what is decided is
//! decided below, what is said to a caller is said above.

mod access;
mod deliveries;
mod destinations;
mod dry_run;
mod embed;
mod event_types;
mod fields;
mod follow;
mod functions;
mod handlers;
mod replays;
mod setup;

pub use deliveries::{
    Counts, Delivery, DeliveryAsk, DeliveryPage, DeliverySummary, DestinationStats, Latency,
};
pub use destinations::{Backlog, Created, Lag, ManageError, Rotated, Trial, Verified};
pub use dry_run::DryRun;
pub use embed::Event;
pub use event_types::{EventTypeError, PutEventType, Refusal};
pub use follow::{Events, From};
pub use functions::{
    Call, Cause, CreatedFunction, Failure, FunctionError, GuardError, Guarded, IntoReply, Invocation,
    InvocationAsk, InvocationPage, LONGEST_CHAIN, Patched, PreOptions, PreOutcome, Publication,
    PublishedTask, Reply, SubscribeOptions,
};
pub use replays::{ReplayAnswer, ReplayProgress};
pub use setup::check;

use crate::actors::{
    Actors, ActorsError, FunctionHost, FunctionSetup, Meters, OpenSecrets, RunningGates, Supervisor,
};
use crate::catalog;
use crate::config::Config;
use crate::log::{Change, Commit, CommitKey, Committed, EventLog, LogError, OpenError, RedbLog};
use crate::model::{Destination, EventDraft, EventTypes, TenantId, Violation};
use crate::secrets::{Secrets, SecretsError};
use crate::webhook::delivery::{FormatOf, Recipient};
use crate::webhook::signature::LiveSecret;
use destinations::{Asking, Life};
use event_types::Formats;
use functions::{Program, close_open_gates, end_asking_guards};
use futures_executor::block_on;
use handlers::Handlers;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A broker. Cheap to clone; all clones are the same broker.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    config: Config,
    /// Of the catalogs that the config loads.
    shipped_types: Arc<EventTypes>,
    formats: Formats,
    log: Arc<dyn EventLog>,
    secrets: Secrets,
    draining: watch::Sender<bool>,
    running_keys: Mutex<HashSet<(TenantId, String)>>,
    handlers: Handlers,
    life: Life,
    asking: Asking,
    program: Arc<Program>,
    gates: RunningGates,
    actors: Actors,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The master key is not usable.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The log did not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The actors did not start.
    #[error(transparent)]
    Actors(#[from] ActorsError),
    /// The log could not take what the config declares.
    #[error("what the config declares could not be stored: {0}")]
    Declare(#[from] LogError),
    /// What the config declares breaks a rule.
    #[error("the config declares something invalid at {}: {}", .0.pointer, .0.detail)]
    Invalid(Violation),
}

/// Why events were not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A request with this idempotency key is still under way.
    #[error("a request with this idempotency key is still under way")]
    KeyRunning,
    /// The broker is shutting down.
    #[error("the broker is shutting down")]
    Draining,
    /// The event breaks a rule.
    #[error("the event is invalid at {}: {}", .0.pointer, .0.detail)]
    Invalid(Violation),
    /// Events are not what their types ask for: at least one rule is broken.
    #[error("{}", refused(.0))]
    Refused(Vec<Refusal>),
}

fn refused(refusals: &[Refusal]) -> String {
    let told =
        |one: &Refusal| format!("event {} at {}: {}", one.index, one.violation.pointer, one.violation.detail);
    refusals.iter().map(told).collect::<Vec<_>>().join("; ")
}

impl Broker {
    /// Opens the log in the config's folder and starts a broker on it. Blocks until it is open.
    pub fn open(config: Config) -> Result<Self, StartError> {
        // Before anything is made on disk.
        setup::check(&config)?;
        let log = RedbLog::open(&config.storage, config.events.dedupe_window)?;
        Self::with_log(config, log)
    }

    /// Starts a broker on a log that is already open.
    pub fn with_log(config: Config, log: Arc<dyn EventLog>) -> Result<Self, StartError> {
        let secrets = Secrets::load(&config.storage.path)?;
        setup::declare(&config, &secrets, &*log)?;
        let opener = secrets.clone();
        let open_secrets: OpenSecrets = Arc::new(move |one| destinations::open_secrets(&opener, one));
        let shipped_types = Arc::new(catalog::load(config.events.catalogs.iter().map(String::as_str)));
        let formats = Formats::new(Arc::clone(&log), Arc::clone(&shipped_types));
        let life = Life::new(Arc::clone(&log), formats.clone());
        let keeper = Arc::new(life.clone());
        block_on(close_open_gates(&*log))?;
        block_on(end_asking_guards(&*log))?;
        let (program, gates) = (Arc::new(Program::new(secrets.clone())), RunningGates::default());
        let setup = FunctionSetup {
            config: config.functions.clone(),
            host: Arc::clone(&program) as Arc<dyn FunctionHost>,
            gates: gates.clone(),
        };
        let known = formats.clone();
        let format_of: FormatOf = Arc::new(move |tenant, name| known.of(tenant, name));
        let actors =
            Actors::start(Arc::clone(&log), &config.delivery, open_secrets, format_of, keeper, setup)?;
        Ok(Self(Arc::new(Inner {
            config,
            shipped_types,
            formats,
            log,
            secrets,
            draining: watch::Sender::new(false),
            running_keys: Mutex::default(),
            handlers: Handlers::default(),
            life,
            asking: Asking::default(),
            program,
            gates,
            actors,
        })))
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Its log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.0.log
    }

    /// What was counted of deliveries since it was opened.
    pub fn meters(&self) -> &Meters {
        self.0.actors.meters()
    }

    /// Where event streams report.
    pub fn supervisor(&self) -> Supervisor {
        self.0.actors.supervisor()
    }

    /// Hashes API keys, seals signing secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// Becomes true when the broker begins to shut down: whoever holds something open ends it.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.0.draining.subscribe()
    }

    /// Makes events of a tenant durable, all or none. Answers when they are fsynced. A PRE event stands alone; its
    /// functions are asked, and nobody waits for them.
    pub async fn commit_events(
        &self,
        tenant: TenantId,
        mut drafts: Vec<EventDraft>,
        key: Option<CommitKey>,
    ) -> Result<Committed, PublishError> {
        if *self.0.draining.borrow() {
            return Err(PublishError::Draining);
        }
        if let Some(index) = drafts.iter().position(|draft| self.is_pre(tenant, draft)) {
            if drafts.len() > 1 {
                return Err(PublishError::Invalid(functions::pre_in_batch(&drafts[index], index)));
            }
            let options = PreOptions { key, ..PreOptions::default() };
            return self.publish_unwaited(tenant, drafts.swap_remove(index), options).await;
        }
        self.admit(tenant, &mut drafts)?;
        let running = key.as_ref().map(|key| RunningKey::claim(&self.0, tenant, &key.name)).transpose()?;
        let commit = Commit { tenant: Some(tenant), events: drafts, key, changes: Vec::new() };
        let committed = self.0.log.commit(commit).await;
        drop(running);
        Ok(committed?)
    }

    /// Makes changes durable and tells the actors of them: both, also when whoever asked has hung up meanwhile.
    async fn commit_and_tell(
        &self,
        changes: Vec<Change>,
        tell: impl FnOnce(&Actors) + Send + 'static,
    ) -> Result<(), LogError> {
        let commit = self.log().commit(Commit { changes, ..Commit::default() });
        let actors = self.0.actors.clone();
        let told = async move {
            commit.await?;
            tell(&actors);
            Ok(())
        };
        self.0.actors.to_its_end(told).await.unwrap_or(Err(LogError::Closed))
    }

    /// A destination ready to be sent to.
    fn recipient(&self, destination: &Destination, secrets: &[LiveSecret]) -> Recipient {
        let formats = self.0.formats.clone();
        Recipient::new(destination, secrets, Arc::new(move |tenant, name| formats.of(tenant, name)))
    }

    /// Whether events are delivered and functions run: until it is drained, unless what supervises them has died.
    pub fn is_delivering(&self) -> bool {
        self.0.actors.are_running()
    }

    /// Takes no more events; whoever holds something open ends it.
    pub fn begin_drain(&self) {
        self.0.draining.send_replace(true);
        self.0.actors.drain_streams();
        self.0.actors.cancel_gates();
    }

    /// Stops taking events and lets what is under way end. The log can still be read.
    pub async fn drain(&self) {
        self.begin_drain();
        self.0.handlers.stop();
        self.0.actors.stop(self.0.config.server.drain).await;
    }

    /// Stops taking events, lets what is under way end, and closes the log.
    pub async fn shutdown(&self) {
        self.drain().await;
        self.0.log.close().await;
    }
}

/// Marks an idempotency key as under way for as long as it lives.
struct RunningKey<'a> {
    inner: &'a Inner,
    name: (TenantId, String),
}

impl<'a> RunningKey<'a> {
    fn claim(inner: &'a Inner, tenant: TenantId, name: &str) -> Result<Self, PublishError> {
        let name = (tenant, name.to_owned());
        let mut running = inner.running_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if running.insert(name.clone()) { Ok(Self { inner, name }) } else { Err(PublishError::KeyRunning) }
    }
}

impl Drop for RunningKey<'_> {
    fn drop(&mut self) {
        self.inner.running_keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
