//! Calling a function, wherever it runs: one call, one outcome, always within its time.

use super::{FunctionSurroundings, Work};
use crate::clock;
use crate::delivery::gate::{Failure, Reply, read_reply};
use crate::model::{EventMode, FailureKind, Function, StoredEvent, Target, UnixMillis};
use crate::webhook::SendError;
use crate::webhook::call::{CallHead, FunctionEndpoint};
use crate::webhook::client::WebhookClient;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Call {
    event: Arc<StoredEvent>,
    task_id: String,
    attempt: u32,
    left: Duration,
    cause: String,
}

impl Call {
    pub(super) fn new(
        event: Arc<StoredEvent>,
        task_id: String,
        attempt: u32,
        left: Duration,
        cause: String,
    ) -> Self {
        Self { event, task_id, attempt, left, cause }
    }

    /// The same with less time.
    pub(super) fn with_left(self, left: Duration) -> Self {
        Self { left, ..self }
    }

    /// The event. Its data are the params, with what earlier stages changed.
    pub fn event(&self) -> &Arc<StoredEvent> {
        &self.event
    }

    /// The params: the event's data, a JSON object.
    pub fn params(&self) -> Bytes {
        self.event.data()
    }

    /// The params as a value of the program's own.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.event.data())
    }

    /// The task's id, the same on every attempt.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// Which attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How much time there was for the answer when the call was made.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// What to pass on when publishing because of this call.
    pub fn cause(&self) -> &str {
        &self.cause
    }
}

/// What the actors of functions need from the program around them.
pub trait FunctionHost: Send + Sync + 'static {
    /// A function's live signing secrets in the clear, the current one first.
    fn secrets_of(&self, function: &Function) -> Vec<String>;

    /// The token that functions of an event pass on when they publish.
    fn cause_of(&self, event: &StoredEvent) -> String;

    /// Runs a function of the program; dropping the future ends the run.
    fn run(&self, function: &Function, call: Call) -> BoxFuture<'static, Result<Reply, Failure>>;

    /// Answers once a function of the program is registered: a program that starts again may not have done so yet.
    fn registered(&self, function: &Function) -> BoxFuture<'static, ()>;
}

/// How a call ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) at: UnixMillis,
    pub(super) duration_ms: u64,
    pub(super) result: Result<Reply, Failure>,
}

/// A function ready to be called from this thread.
#[derive(Clone)]
pub(super) struct Callee {
    function: Arc<Function>,
    may_patch: bool,
    max_answer: usize,
    host: Arc<dyn FunctionHost>,
    http: Option<(WebhookClient, Rc<FunctionEndpoint>)>,
}

impl Callee {
    pub(super) fn new(around: &FunctionSurroundings, work: &Work) -> Self {
        let http = match &work.function.target {
            Target::Http { url } => {
                let secrets = around.host.secrets_of(&work.function);
                let is_signed = !work.function.secrets.is_empty();
                Some((around.base.client(), Rc::new(FunctionEndpoint::new(url, &secrets, is_signed))))
            }
            Target::InProcess => None,
        };
        Self {
            function: Arc::clone(&work.function),
            may_patch: work.subscription.mode == EventMode::Pre,
            max_answer: around.config.max_answer,
            host: Arc::clone(&around.host),
            http,
        }
    }

    /// Makes a call. Whatever happens in it, it has an outcome.
    pub(super) async fn call(self, call: Call) -> Ended {
        // Nobody waits for a POST event, so it can wait for the program: its time begins when there is what to call.
        if self.http.is_none() && !self.may_patch {
            self.host.registered(&self.function).await;
        }
        let (at, begun, left) = (clock::now(), clock::instant(), call.left);
        let made = AssertUnwindSafe(self.answer(call)).catch_unwind();
        let result = match tokio::time::timeout(left, made).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::new(FailureKind::Error, "the call broke off in the broker")),
            Err(_) => Err(timed_out(left)),
        };
        Ended { at, duration_ms: begun.elapsed().as_millis() as u64, result }
    }

    async fn answer(self, call: Call) -> Result<Reply, Failure> {
        let Some((client, endpoint)) = &self.http else {
            let reply = self.host.run(&self.function, call).await?;
            return self.checked(reply);
        };
        let head =
            CallHead { task_id: &call.task_id, attempt: call.attempt, left: call.left, cause: &call.cause };
        let request = endpoint.request(&call.event, head, clock::now());
        let answer = client.call(request, self.max_answer).await;
        match answer.result {
            Ok(response) if response.body.len() > self.max_answer => Err(self.too_large()),
            Ok(response) => read_reply(response.status, &response.body, self.may_patch),
            Err(error) => Err(failure_of(&error, call.left)),
        }
    }

    /// What a function of the program gives keeps the rules of an answer.
    fn checked(&self, reply: Reply) -> Result<Reply, Failure> {
        let Reply::Patch(patch) = &reply else { return Ok(reply) };
        if patch.len() > self.max_answer {
            return Err(self.too_large());
        }
        read_reply(200, format!("{{\"patch\":{patch}}}").as_bytes(), self.may_patch)
    }

    fn too_large(&self) -> Failure {
        let message =
            format!("the answer is larger than {} bytes, which is functions.max_answer", self.max_answer);
        Failure::new(FailureKind::TooLarge, message)
    }
}

pub(super) fn timed_out(left: Duration) -> Failure {
    Failure::new(FailureKind::Timeout, format!("no answer within {} ms", left.as_millis()))
}

fn failure_of(error: &SendError, left: Duration) -> Failure {
    let kind = match error {
        SendError::AddressRefused(_) => FailureKind::AddressRefused,
        SendError::Timeout(_) => return timed_out(left),
        SendError::BadResponse(_) => FailureKind::BadResponse,
        _ => FailureKind::Error,
    };
    Failure::new(kind, error.to_string())
}
