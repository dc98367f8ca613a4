//! A webhook destination as it is kept.

use super::{DestinationId, EventFilter, PayloadFilter, Sequence, TenantId, Timestamp, TypePattern};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where events are sent, which, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its id; also the name of its place in the log.
    pub id: DestinationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where to, checked when it was set and again at every dial.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which types; empty means all.
    pub events: Vec<TypePattern>,
    /// What their payload must be, as an expression.
    #[serde(default)]
    pub filter: Option<PayloadFilter>,
    /// The format of the body; `None` takes the catalog's.
    pub format: Option<BodyFormat>,
    /// Whether events are sent.
    pub status: DestinationStatus,
    /// Why not, when it was deactivated.
    pub deactivation: Option<Deactivation>,
    /// How it shows its consent.
    pub verification: Verification,
    /// Whether it has shown it for its present URL.
    pub verified: bool,
    /// Headers added to every delivery.
    pub headers: BTreeMap<String, String>,
    /// Whether and when failed deliveries are tried again.
    pub retry: RetryPolicy,
    /// Milliseconds from dialling to the last byte of the answer.
    pub timeout_ms: u64,
    /// How many deliveries may be under way or unrecorded.
    pub max_in_flight: u32,
    /// Attempts a second, if limited.
    pub rate_limit_per_s: Option<u32>,
    /// Which deliveries wait for which.
    pub ordering: Ordering,
    /// The header of the body-only signature.
    pub signature_header: String,
    /// Signing secrets, encrypted: the current one first, then those still in their overlap. Empty: unsigned.
    pub secrets: Vec<SealedSecret>,
    /// Its first event is the one after this place.
    pub start_after: Sequence,
    /// Declared in the config: reconciled on start, and not changeable through the API.
    pub declared: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Destination {
    /// Which events it wants.
    pub fn event_filter(&self) -> EventFilter {
        EventFilter { payload: self.filter.clone(), ..EventFilter::of_types(self.events.clone()) }
    }

    /// Whether its filter is one that this version understands. A destination whose filter is not keeps its place,
    /// so that no event is lost before somebody gives it another.
    pub fn has_working_filter(&self) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.broken().is_none())
    }

    /// Whether it may be sent events once it is switched on.
    pub fn is_consenting(&self) -> bool {
        self.verified || self.verification == Verification::None
    }
}

/// Whether a destination is sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationStatus {
    /// Its verification has not passed; events wait.
    Pending,
    /// Events are sent.
    Active,
    /// Switched off, by the user or by failures.
    Deactivated,
}

/// Why and since when a destination is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deactivation {
    /// Who or what did it.
    pub reason: DeactivationReason,
    /// When.
    pub at: Timestamp,
    /// What happened, for a person.
    pub detail: String,
}

/// Who or what deactivated a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeactivationReason {
    /// Somebody asked for it.
    User,
    /// Every attempt failed for too long.
    Failures,
    /// The endpoint answered 410.
    Gone,
}

/// How a new destination shows that it wants events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// It answers with the challenge.
    Challenge,
    /// It answers 2xx.
    Ping,
    /// Not at all.
    None,
}

/// The shape of a delivery's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// The event as the API shows it, without `sequence`.
    Envelope,
    /// `{"id","object":"event","type","data","created_at","request_id"}`.
    Resource,
    /// A pipeline run or a connection.
    Run,
    /// An audit record.
    Audit,
    /// CloudEvents 1.0, structured mode.
    Cloudevents,
}

/// Which deliveries wait for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// None.
    None,
    /// One at a time, in log order.
    Strict,
    /// In order within a pipeline.
    Pipeline,
    /// In order within a run.
    RunId,
}

/// Whether and when failed deliveries are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// One attempt only, when false.
    pub enabled: bool,
    /// Seconds to wait before each further attempt; jitter is added.
    pub schedule_s: Vec<u64>,
}

/// An encrypted signing secret: nonce and ciphertext.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Nonce, then ciphertext and tag, as base64.
    pub sealed: String,
    /// Until when it signs too, when it has been rotated out.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSecret").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
