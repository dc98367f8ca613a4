//! An operation that is guarded by a PRE and told of by a POST event, as the log keeps it while it is under way.

use crate::model::{TenantId, UnixMillis};
use serde::{Deserialize, Serialize};

/// What is known of a guarded operation. One that is found when a broker starts was under way when the last one
/// ended: whether it happened only its program can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id, the same as that of its PRE event.
    pub id: String,
    /// The type of the PRE event.
    pub pre: String,
    /// The type of the POST event.
    pub post: String,
    /// How far it is.
    pub stage: GuardStage,
    /// When it was opened.
    pub opened_at: UnixMillis,
}

/// How far a guarded operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardStage {
    /// Its PRE event runs: the operation has not begun.
    Asking,
    /// All agreed: the operation may have happened, or not.
    InDoubt,
}
