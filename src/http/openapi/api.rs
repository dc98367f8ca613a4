//! What the document says of itself.

use super::{Answer, Form, JSON, Operation, Parameter, Part, Shape, get};
use serde_json::json;

pub(super) const PART: Part = Part {
    name: "Reference",
    about: "This document, as JSON and to read.",
    operations: &[DOCUMENT, DOCS, STYLE],
    schemas: || {
        vec![
            ("Document", json!({"type": "object", "description": "An OpenAPI 3.1 document."})),
            ("Page", json!({"type": "string"})),
        ]
    },
};

const POLICY: Parameter = Parameter::new(
    "Content-Security-Policy",
    Shape::Format { format: "csp", example: "default-src 'none'" },
    "The page loads nothing but its style.",
);

const DOCUMENT: Operation = get("/openapi.json")
    .named("getDocument", "Show this document")
    .answers(&[Answer::of(200, "The document.", &[Form { media: JSON, schema: "Document" }])]);

const DOCS: Operation = get("/docs").named("getDocs", "Show this document to people").answers(&[Answer::of(
    200,
    "The page.",
    &[Form { media: "text/html", schema: "Page" }],
)
.with(&[POLICY])]);

const STYLE: Operation = get("/docs/style.css")
    .named("getDocsStyle", "The page's style")
    .answers(&[Answer::of(200, "The style.", &[Form { media: "text/css", schema: "Page" }]).with(&[POLICY])]);
