//! What the document says of the calls for operators and their machines.

use crate::http::openapi::{Operation, Parameter, Part, Shape, get};
use crate::model::Scope;

pub(in crate::http) const PART: Part =
    Part { name: "Operations", operations: &[HEALTH, LIVE, READY, METRICS, ROOT] };

const VERBOSE: Parameter =
    Parameter::new("verbose", Shape::Text { least: 0, most: 10 }, "Says which checks there are.");

const HEALTH: Operation = get("/healthz").named("getHealth", "Whether the process answers").query(&[VERBOSE]);

const LIVE: Operation = get("/livez").named("getLiveness", "The same under its newer name").query(&[VERBOSE]);

const READY: Operation =
    get("/readyz").named("getReadiness", "Whether events can be published").query(&[VERBOSE]);

const METRICS: Operation = get("/metrics")
    .named("getMetrics", "Show what is measured")
    .about("Open to everybody when the config says so.")
    .scope(Scope::Operator);

const ROOT: Operation = get("/").named("getRoot", "Say what this is");
