//! What runs: thin actors around the machines.
//!
//! ```text
//! Actors (handle: Send + Sync + Clone)
//!   └─ thread "campanile-actors": System
//!        ├─ RegistryActor            starts, wakes, rebuilds and stops the others
//!        └─ arbiters (shards)        each with one webhook client
//!             ├─ DestinationActor …  one an active destination
//!             ├─ VerificationActor … one a pending destination
//!             └─ ReplayActor …       one a replay that has not ended
//!
//! FunctionRegistry                  the same for functions, see `functions`
//!
//! Hub (one an HTTP thread)           follows the log for the streams of that thread, joins frames once
//!   └─ StreamActor …                 one an event stream, beside its socket; the registry watches and ends it
//! ```
//!
//! An actor holds nothing that cannot be rebuilt from the log: any of them may die at any moment. A panic kills
//! its actor only; the registry starts a new one from the log with a growing pause. Nothing blocks here, and no
//! mailbox is paused: order is the machines' business. Only this module, `broker` and `http` name actix.

mod attempt;
mod child;
mod destination;
mod functions;
mod hub;
mod messages;
mod meters;
mod question;
mod registry;
mod replay;
mod replays;
mod shard;
mod stream;
mod streams;
mod system;
mod verification;

pub use functions::{
    Begun, Call, FunctionHost, FunctionSetup, GatePublication, GateResult, RunningGates, Seat, Work,
};
pub use hub::{Hub, Setup, Start, Wanted};
pub use meters::{LATENCY_BOUNDS_MS, Meter, Meters};
pub use question::Question;
pub(crate) use replay::find as find_for_replay;
pub use shard::{Keeper, OpenSecrets};
pub use stream::Subscription;
pub use streams::Supervisor;
pub use system::{Actors, ActorsError};
