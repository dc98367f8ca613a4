//! What runs: thin actors around the machines.
//!
//! ```text
//! Actors (handle: Send + Sync + Clone)
//!   └─ thread "campanile-actors": System
//!        ├─ RegistryActor            starts, wakes, rebuilds and stops the others
//!        └─ arbiters (shards)        each with one webhook client
//!             └─ DestinationActor …  one a destination
//! ```
//!
//! An actor holds nothing that cannot be rebuilt from the log: any of them may die at any moment. A panic kills
//! its actor only; the registry starts a new one from the log with a growing pause. Nothing blocks here, and no
//! mailbox is paused: order is the machines' business. Only this module, `broker` and `http` name actix.

mod attempt;
mod destination;
mod messages;
mod registry;
mod shard;
mod system;

pub use shard::OpenSecrets;
pub use system::{Actors, ActorsError};
