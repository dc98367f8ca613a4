//! What the document says of itself.

use super::{Operation, Part, get};

pub(super) const PART: Part = Part { name: "Reference", operations: &[DOCUMENT] };

const DOCUMENT: Operation = get("/openapi.json").named("getDocument", "Show this document");
