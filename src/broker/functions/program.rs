//! Functions of the embedding program: registered by their slug, run on threads of their own, so that they need no
//! runtime of the caller's and a panic in one is that run's error and nothing else's.

use super::super::Broker;
use super::cause::Causes;
use super::{FunctionError, open_function_secrets};
use crate::actors::{Call, FunctionHost};
use crate::delivery::gate::{Failure, Reply};
use crate::model::{FailureKind, Function, StoredEvent, Target, TenantId};
use crate::secrets::Secrets;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Threads that run functions of the program.
const THREADS: usize = 2;

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Failure>> + Send + Sync>;

/// What a function of the program may give: nothing (it agrees), [`Patched`], or a `Result` of these.
pub trait IntoReply {
    /// As an answer.
    fn into_reply(self) -> Result<Reply, Failure>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(Reply::Pass)
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, Failure> {
        Ok(self)
    }
}

impl<T: IntoReply, E: Into<Failure>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, Failure> {
        self.map_err(Into::into).and_then(IntoReply::into_reply)
    }
}

/// It agrees, and changes the params of a PRE event: anything that serialises to a JSON object, taken as a JSON Merge
/// Patch (RFC 7396).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patched<T>(pub T);

impl<T: Serialize> IntoReply for Patched<T> {
    fn into_reply(self) -> Result<Reply, Failure> {
        let json = serde_json::to_string(&self.0);
        json.map(Reply::Patch).map_err(|error| Failure::new(FailureKind::BadResponse, error.to_string()))
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(FailureKind::Error, message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(FailureKind::Error, message)
    }
}

/// The program's functions, and what else the actors of functions need from the broker.
pub(in crate::broker) struct Program {
    handlers: Arc<Mutex<HashMap<(TenantId, String), Handler>>>,
    /// Changes whenever one is registered.
    registered: watch::Sender<u64>,
    threads: OnceLock<Vec<(Handle, oneshot::Sender<()>)>>,
    turn: AtomicUsize,
    /// Guards that are under way.
    pub(super) guards: Mutex<HashSet<String>>,
    secrets: Secrets,
    pub(super) causes: Causes,
}

impl Program {
    pub(in crate::broker) fn new(secrets: Secrets) -> Self {
        let causes = Causes::new(secrets.clone());
        Self {
            handlers: Arc::default(),
            registered: watch::Sender::new(0),
            threads: OnceLock::new(),
            turn: AtomicUsize::new(0),
            guards: Mutex::default(),
            secrets,
            causes,
        }
    }

    /// The runtime of one of the threads, the next one each time.
    fn runtime(&self) -> Option<Handle> {
        let threads = self.threads.get_or_init(|| (0..THREADS).filter_map(|_| start_thread()).collect());
        let next = self.turn.fetch_add(1, Ordering::Relaxed) % threads.len().max(1);
        threads.get(next).map(|(handle, _)| handle.clone())
    }

    fn handler(&self, function: &Function) -> Option<Handler> {
        let handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.get(&(function.tenant, function.slug.clone())).cloned()
    }
}

/// A thread that runs what is spawned on it until the other half is dropped.
fn start_thread() -> Option<(Handle, oneshot::Sender<()>)> {
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.inspect_err(|error| tracing::error!(%error, "no runtime for functions")).ok()?;
    let handle = runtime.handle().clone();
    let run = move || drop(runtime.block_on(stopped));
    let thread = std::thread::Builder::new().name("campanile-functions".to_owned()).spawn(run);
    thread.inspect_err(|error| tracing::error!(%error, "no thread for functions")).ok()?;
    Some((handle, stop))
}

impl FunctionHost for Program {
    fn secrets_of(&self, function: &Function) -> Vec<String> {
        open_function_secrets(&self.secrets, function)
    }

    fn cause_of(&self, event: &StoredEvent) -> String {
        self.causes.token_of(event)
    }

    fn run(&self, function: &Function, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let (Some(handler), Some(runtime)) = (self.handler(function), self.runtime()) else {
            let message = format!("this program has registered no function {}", function.slug);
            return ready(Err(Failure::new(FailureKind::Error, message))).boxed();
        };
        // Made inside the task, so that a handler that panics before its first await does so there.
        let mut task = Ending(runtime.spawn(async move { handler(call).await }));
        async move {
            match (&mut task.0).await {
                Ok(reply) => reply,
                Err(error) => Err(Failure::new(FailureKind::Error, told(error))),
            }
        }
        .boxed()
    }

    fn registered(&self, function: &Function) -> BoxFuture<'static, ()> {
        let mut changed = self.registered.subscribe();
        let (handlers, name) = (Arc::clone(&self.handlers), (function.tenant, function.slug.clone()));
        async move {
            let is_there = || handlers.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&name);
            while !is_there() && changed.changed().await.is_ok() {}
        }
        .boxed()
    }
}

fn told(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            format!("the function panicked: {}", text.unwrap_or_default())
        }
        Err(_) => "the function was ended".to_owned(),
    }
}

/// Ends its task when it is dropped.
struct Ending<T>(JoinHandle<T>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Broker {
    /// Registers a function of this program for the default tenant under a slug, `[a-z0-9-]{1,64}`. It is listed, can
    /// be subscribed and is recorded like any other; whoever starts the broker registers it again.
    pub async fn function<H, F>(&self, slug: &str, handler: H) -> Result<Arc<Function>, FunctionError>
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
        F::Output: IntoReply,
    {
        let tenant = self.default_tenant();
        let function = self.in_process_function(tenant, slug).await?;
        debug_assert_eq!(function.target, Target::InProcess);
        let handler: Handler = Arc::new(move |call| handler(call).map(IntoReply::into_reply).boxed());
        let mut handlers = self.0.program.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.insert((tenant, slug.to_owned()), handler);
        drop(handlers);
        self.0.program.registered.send_modify(|count| *count += 1);
        Ok(function)
    }
}
