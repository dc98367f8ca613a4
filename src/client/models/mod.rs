//! What the API speaks of. Members that a newer broker adds are kept in `rest`.

use serde::{Deserialize, Serialize};

/// Times are RFC 3339 in UTC, as texts: nothing of their precision is lost.
pub type Time = String;

/// Something that is shown once and by no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// As it was shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Declares a type of the API with what it has to hold.
macro_rules! model {
    ($(#[$about:meta])* $name:ident { $($(#[$member_about:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$member_about])* pub $member: $kind,)*
            /// What else the broker says.
            #[serde(flatten)]
            pub rest: Map<String, Value>,
        }
    };
}

mod deliveries;
mod destinations;
mod event;
mod functions;

pub use deliveries::{Attempt, Delivery, Replay};
pub use destinations::{Deactivation, Destination, Lag, Retry, Stats, Trial};
pub use event::{Event, EventTypeInfo, Key, Stored};
pub use functions::{App, Function, Invocation};

/// Attempts: counted in lists, each of them where one thing is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attempts<A> {
    /// How many there were.
    Count(u64),
    /// Each of them, the first one first.
    Each(Vec<A>),
}

impl<A> Attempts<A> {
    /// How many there were.
    pub fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Each(attempts) => attempts.len() as u64,
        }
    }

    /// Each of them, where they are told.
    pub fn each(&self) -> &[A] {
        match self {
            Self::Count(_) => &[],
            Self::Each(attempts) => attempts,
        }
    }
}
