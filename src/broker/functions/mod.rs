//! Apps, functions and subscriptions: what is managed becomes durable here, and the actors follow.

mod ask;
mod cause;
mod draft;
mod guard;
mod invocations;
mod listing;
mod manage;
mod modes;
mod program;
mod publish;
mod subscribe;

pub use crate::actors::Call;
pub use crate::delivery::gate::{Failure, Reply};
pub(super) use ask::pre_in_batch;
pub use cause::{Cause, LONGEST_CHAIN};
pub(super) use guard::end_asking_guards;
pub use guard::{GuardError, Guarded};
pub use invocations::Invocation;
pub use listing::{InvocationAsk, InvocationPage};
pub use manage::CreatedFunction;
pub(super) use program::Program;
pub use program::{IntoReply, Patched};
pub(super) use publish::close_open_gates;
pub use publish::{PreOptions, PreOutcome, Publication, PublishedTask};
pub use subscribe::SubscribeOptions;

use crate::log::LogError;
use crate::model::{Function, SealedSecret, Violation};
use crate::secrets::Secrets;

/// Why apps, functions or subscriptions were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// There is no such app in the tenant.
    #[error("there is no such app")]
    NoApp,
    /// There is no such function in the tenant.
    #[error("there is no such function")]
    NoFunction,
    /// There is no such invocation in the tenant.
    #[error("there is no such invocation")]
    NoInvocation,
    /// The invocation cannot be tried again.
    #[error("the invocation cannot be tried again: {0}")]
    NotRetryable(&'static str),
    /// There is no such function, in the words of the subscription calls.
    #[error("Function with id {0} does not exist")]
    FunctionDoesNotExist(u64),
    /// Functions cannot subscribe to events of this type.
    #[error("Invalid event type '{given}'. Must be one of: {}", known.join(", "))]
    InvalidEventType {
        /// What was asked for.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The pair exists.
    #[error("Function {function} is already subscribed to event '{event}'")]
    AlreadySubscribed {
        /// The function.
        function: u64,
        /// The event type.
        event: String,
    },
    /// The pair does not exist.
    #[error("Function {function} was not subscribed to event '{event}'")]
    NotSubscribed {
        /// The function.
        function: u64,
        /// The event type.
        event: String,
    },
    /// What was asked for breaks rules.
    #[error("the request is invalid")]
    Invalid(Vec<Violation>),
    /// Functions belong to the app.
    #[error("the app has {0} functions: remove them first")]
    AppInUse(usize),
    /// A bound of the config is reached.
    #[error("the tenant has {most} {what}, which is as many as it may have")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A function's live signing secrets in the clear, the current one first: for signing only.
pub(crate) fn open_function_secrets(secrets: &Secrets, function: &Function) -> Vec<String> {
    let owner = Function::secret_owner(function.tenant, function.id);
    let opened = function.secrets.iter().filter_map(|secret| secrets.open(&secret.sealed, &owner).ok());
    opened.collect()
}

fn sealed(secrets: &Secrets, owner: &str, secret: &str) -> SealedSecret {
    SealedSecret { sealed: secrets.seal(secret, owner), expires_at: None }
}
