//! What the document says of destinations.

use crate::http::openapi::{LIMIT, Operation, Part, ROW_CURSOR, delete, get, patch, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part {
    name: "Destinations",
    operations: &[LIST, CREATE, SHOW, CHANGE, REMOVE, VERIFY, ACTIVATE, DEACTIVATE, ROTATE_SECRET],
};

const LIST: Operation = get("/api/v1/destinations")
    .named("listDestinations", "List destinations")
    .scope(Scope::DestinationsRead)
    .query(&[LIMIT, ROW_CURSOR]);

const CREATE: Operation = post("/api/v1/destinations")
    .named("createDestination", "Create a destination")
    .about("`secret` is in this answer and no other.")
    .scope(Scope::DestinationsWrite);

const SHOW: Operation = get("/api/v1/destinations/{id}")
    .named("getDestination", "Show a destination")
    .scope(Scope::DestinationsRead);

const CHANGE: Operation = patch("/api/v1/destinations/{id}")
    .named("updateDestination", "Change a destination")
    .about("Members that are absent stay as they are. Applies to the next attempt.")
    .scope(Scope::DestinationsWrite);

const REMOVE: Operation = delete("/api/v1/destinations/{id}")
    .named("deleteDestination", "Remove a destination")
    .scope(Scope::DestinationsWrite);

const VERIFY: Operation = post("/api/v1/destinations/{id}/verify")
    .named("verifyDestination", "Ask the endpoint for its consent again")
    .scope(Scope::DestinationsWrite);

const ACTIVATE: Operation = post("/api/v1/destinations/{id}/activate")
    .named("activateDestination", "Switch a destination on")
    .scope(Scope::DestinationsWrite);

const DEACTIVATE: Operation = post("/api/v1/destinations/{id}/deactivate")
    .named("deactivateDestination", "Switch a destination off")
    .about("It keeps its place in the log.")
    .scope(Scope::DestinationsWrite);

const ROTATE_SECRET: Operation = post("/api/v1/destinations/{id}/rotate-secret")
    .named("rotateDestinationSecret", "Change the signing secret")
    .about("Both secrets sign during the overlap. The new one is in this answer and no other.")
    .scope(Scope::DestinationsWrite);
