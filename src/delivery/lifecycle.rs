//! The life of a destination: which changes of its status there are, and what is told of each.
//!
//! ```text
//!               consents, or need not              made, told otherwise
//!  made ─────────────────────────────▶ active ◀──────────────── deactivated
//!    │                                  │  ▲  │                   ▲   │
//!    │ must consent       other URL or  │  │  │ user, failures,   │   │ activated, without consent
//!    ▼                    verification  ▼  │  │ gone              │   ▼
//!  pending ──────────────────────── pending ┘ └───────────────────┘ pending
//! ```
//!
//! What must hold: a destination is active only when its endpoint has consented to its present URL, or need not; what
//! an answer of one URL says never changes a destination that has another by now; a change that changes nothing is
//! told to nobody.

use crate::model::{
    Deactivation, DeactivationReason, Destination, DestinationStatus, Timestamp, Verification,
};

/// What is to happen to a destination.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// The endpoint of this URL showed its consent in this way.
    Verified(String, Verification),
    /// The endpoint of this URL answered 410.
    Gone(String),
    /// The endpoint of this URL failed for too long, as the text says.
    Failed(String, String),
    /// Somebody switches it off.
    Deactivate,
    /// Somebody switches it on.
    Activate,
    /// Secrets whose overlap is over are kept no longer.
    ForgetSecrets,
    /// Somebody wants it to be this.
    Become(Box<Destination>),
}

/// What a destination is from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The destination.
    pub destination: Destination,
    /// What is told of it.
    pub told: Option<Told>,
}

/// What is told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is sent events from now on.
    Activated,
    /// It is not any more.
    Deactivated,
}

/// It waits for its endpoint's consent: it cannot be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its endpoint has not shown that it wants events: verify it, or set verification to none")]
pub struct Unverified;

/// What becomes of a destination; `None` when that changes nothing.
pub fn change(current: &Destination, request: Request, at: Timestamp) -> Result<Option<Changed>, Unverified> {
    use DestinationStatus::{Active, Deactivated, Pending};
    let next = match (request, current.status) {
        (Request::Become(wanted), _) => return Ok(become_as(current, *wanted, at)),
        (Request::ForgetSecrets, _) => return Ok(without_past_secrets(current, at)),
        (Request::Verified(url, how), _) if url != current.url || how != current.verification => None,
        (Request::Verified(..), Pending) => Some(activated(current, true)),
        (Request::Verified(..), _) if !current.verified => {
            Some(Destination { verified: true, ..current.clone() })
        }
        (Request::Gone(url), Active) if url == current.url => {
            let detail = "the endpoint answered 410 Gone".to_owned();
            Some(deactivated(current, DeactivationReason::Gone, detail, at))
        }
        (Request::Failed(url, detail), Active) if url == current.url => {
            Some(deactivated(current, DeactivationReason::Failures, detail, at))
        }
        (Request::Deactivate, Active | Pending) => {
            Some(deactivated(current, DeactivationReason::User, "switched off by request".to_owned(), at))
        }
        (Request::Activate, Deactivated) => Some(activated(current, false)),
        (Request::Activate, Pending) => return Err(Unverified),
        (Request::Verified(..) | Request::Gone(_) | Request::Failed(..), _)
        | (Request::Deactivate, Deactivated)
        | (Request::Activate, Active) => None,
    };
    Ok(next.map(|next| changed(current, next, at)))
}

/// The status that a destination begins with.
pub fn first_status(destination: &Destination) -> DestinationStatus {
    if destination.is_consenting() { DestinationStatus::Active } else { DestinationStatus::Pending }
}

fn become_as(current: &Destination, mut wanted: Destination, at: Timestamp) -> Option<Changed> {
    if wanted.url != current.url || wanted.verification != current.verification {
        wanted.verified = false;
    }
    if current.status != DestinationStatus::Deactivated {
        wanted.status = first_status(&wanted);
    }
    (wanted != *current).then(|| changed(current, wanted, at))
}

/// Nothing that anybody sees of it changes.
fn without_past_secrets(current: &Destination, at: Timestamp) -> Option<Changed> {
    let mut destination = current.clone();
    destination.secrets.retain(|secret| secret.expires_at.is_none_or(|end| end > at));
    let is_changed = destination.secrets.len() != current.secrets.len();
    is_changed.then_some(Changed { destination, told: None })
}

fn activated(current: &Destination, verified: bool) -> Destination {
    let mut next = current.clone();
    next.verified |= verified;
    next.deactivation = None;
    next.status = first_status(&next);
    next
}

fn deactivated(
    current: &Destination,
    reason: DeactivationReason,
    detail: String,
    at: Timestamp,
) -> Destination {
    let mut next = current.clone();
    next.status = DestinationStatus::Deactivated;
    next.deactivation = Some(Deactivation { reason, at, detail });
    next
}

fn changed(current: &Destination, mut next: Destination, at: Timestamp) -> Changed {
    use DestinationStatus::{Active, Deactivated};
    next.updated_at = at;
    let told = match (current.status, next.status) {
        (before, after) if before == after => None,
        (_, Active) => Some(Told::Activated),
        (_, Deactivated) => Some(Told::Deactivated),
        _ => None,
    };
    Changed { destination: next, told }
}

#[cfg(test)]
mod tests;
