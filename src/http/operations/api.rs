//! What the document says of the calls for operators and their machines.

use crate::http::openapi::{Answer, Form, Operation, Parameter, Part, Shape, get, json_form, object};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Operations",
    about: "Health, readiness and metrics.",
    operations: &[HEALTH, LIVE, READY, METRICS],
    schemas,
};

const VERBOSE: Parameter = Parameter::new("verbose", Shape::Any, "Says which checks there are.");

const FINE: Answer = Answer::of(200, "It is.", &[json_form("Health")]);

const DEAD: (u16, &str) = (503, "Delivery has ended: only a restart helps.");

const HEALTH: Operation = get("/healthz")
    .named("getHealth", "Whether the broker lives")
    .query(&[VERBOSE])
    .answers(&[FINE])
    .problems(&[DEAD]);

const LIVE: Operation = get("/livez")
    .named("getLiveness", "The same under its newer name")
    .query(&[VERBOSE])
    .answers(&[FINE])
    .problems(&[DEAD]);

const READY: Operation = get("/readyz")
    .named("getReadiness", "Whether events can be published")
    .query(&[VERBOSE])
    .answers(&[FINE])
    .problems(&[(503, "It starts, drains, or the log takes no commits; `type` says which.")]);

const METRICS: Operation = get("/metrics")
    .named("getMetrics", "Show what is measured")
    .about("Open to everybody when the config says so.")
    .scope(Scope::Operator)
    .answers(&[Answer::of(
        200,
        "The measurements, in the text format or as OpenMetrics.",
        &[
            Form { media: "text/plain", schema: "Metrics" },
            Form { media: "application/openmetrics-text", schema: "Metrics" },
        ],
    )]);

fn schemas() -> Vec<(&'static str, Value)> {
    let check = json!({
        "type": "object",
        "required": ["name", "ok"],
        "properties": {"name": {"type": "string"}, "ok": {"type": "boolean"}},
    });
    let members = json!({
        "status": {"type": "string", "enum": ["alive", "ready"]},
        "checks": {"type": "array", "items": check},
    });
    vec![
        ("Health", object(&["status"], members, json!({"status": "ready"}))),
        ("Metrics", json!({"type": "string", "examples": ["campanile_log_events 42\n"]})),
    ]
}
