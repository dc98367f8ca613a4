//! Everything that is managed: one file for what belongs together, one method a call.
//!
//! Bodies are anything that becomes JSON; the broker says with pointers what it does not take.

mod destinations;
mod functions;
mod settings;

pub use destinations::{Deliveries, DeliveryQuery, Destinations, Replays};
pub use functions::{Apps, Functions, InvocationQuery};
pub use settings::{EventTypes, Keys};
