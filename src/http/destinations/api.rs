//! What the document says of destinations.

mod schemas;

use crate::http::openapi::{
    Answer, DESTINATION_ID, LIMIT, LOCATION, Operation, Parameter, Part, delete, get, json_form, page_of,
    patch, post, row_cursor,
};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part {
    name: "Destinations",
    about: "Webhooks: where to, which events, how often again; verified, tested, switched off and on.",
    operations: &[
        LIST,
        CREATE,
        TEST_URL,
        SHOW,
        CHANGE,
        REMOVE,
        VERIFY,
        ACTIVATE,
        DEACTIVATE,
        ROTATE_SECRET,
        TEST,
    ],
    schemas: schemas::all,
};

const NEXT: Parameter = row_cursor("^dst_[0-7][0-9A-HJKMNP-TV-Z]{25}$", "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ");

const DECLARED: (u16, &str) = (409, "The destination stands in the config.");

const TOO_MANY_TESTS: (u16, &str) = (429, "The tenant has too many of these under way.");

const LIST: Operation = get("/api/v1/destinations")
    .named("listDestinations", "List destinations")
    .scope(Scope::DestinationsRead)
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("DestinationPage")])]);

const CREATE: Operation = post("/api/v1/destinations")
    .named("createDestination", "Create a destination")
    .about("`secret` is in this answer and no other.")
    .scope(Scope::DestinationsWrite)
    .takes(&[json_form("DestinationDraft")])
    .answers(&[Answer::of(201, "The destination.", &[json_form("NewDestination")]).with(&[LOCATION])]);

const SHOW: Operation = get("/api/v1/destinations/{id}")
    .named("getDestination", "Show a destination")
    .scope(Scope::DestinationsRead)
    .segments(&[DESTINATION_ID])
    .answers(&[Answer::of(200, "The destination.", &[json_form("Destination")])]);

const CHANGE: Operation = patch("/api/v1/destinations/{id}")
    .named("updateDestination", "Change a destination")
    .about("Members that are absent stay as they are. Applies to the next attempt.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .takes(&[json_form("DestinationChange")])
    .answers(&[Answer::of(200, "The destination.", &[json_form("Destination")])])
    .problems(&[DECLARED]);

const REMOVE: Operation = delete("/api/v1/destinations/{id}")
    .named("deleteDestination", "Remove a destination")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .answers(&[Answer::empty(204, "It is gone.")])
    .problems(&[DECLARED]);

const VERIFY: Operation = post("/api/v1/destinations/{id}/verify")
    .named("verifyDestination", "Ask the endpoint for its consent again")
    .about("Answered with the destination and what came of it, whatever the endpoint said.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("Nothing")])
    .answers(&[Answer::of(200, "What came of it.", &[json_form("VerifiedDestination")])])
    .problems(&[(409, "It is switched off, or asks for no consent."), TOO_MANY_TESTS]);

const ACTIVATE: Operation = post("/api/v1/destinations/{id}/activate")
    .named("activateDestination", "Switch a destination on")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("Activation")])
    .answers(&[Answer::of(200, "The destination.", &[json_form("Destination")])])
    .problems(&[(409, "It stands in the config, or its endpoint has not consented.")]);

const DEACTIVATE: Operation = post("/api/v1/destinations/{id}/deactivate")
    .named("deactivateDestination", "Switch a destination off")
    .about("It keeps its place in the log.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("Nothing")])
    .answers(&[Answer::of(200, "The destination.", &[json_form("Destination")])])
    .problems(&[DECLARED]);

const ROTATE_SECRET: Operation = post("/api/v1/destinations/{id}/rotate-secret")
    .named("rotateDestinationSecret", "Change the signing secret")
    .about("Both secrets sign during the overlap. The new one is in this answer and no other.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("Rotation")])
    .answers(&[Answer::of(200, "The destination and its secret.", &[json_form("RotatedDestination")])])
    .problems(&[(409, "It stands in the config, or too many secrets sign already.")]);

const TEST: Operation = post("/api/v1/destinations/{id}/test")
    .named("testDestination", "Send one signed sample now")
    .about("Answered with the attempt, whatever the endpoint said. Nothing is stored.")
    .scope(Scope::DestinationsWrite)
    .segments(&[DESTINATION_ID])
    .may_take(&[json_form("DestinationTest")])
    .answers(&[Answer::of(200, "What came of it.", &[json_form("Trial")])])
    .problems(&[TOO_MANY_TESTS]);

const TEST_URL: Operation = post("/api/v1/destinations/test")
    .named("testUrl", "Send one signed sample to a URL that is not saved")
    .about("Test first, then create. Answered with the attempt, whatever the endpoint said.")
    .scope(Scope::DestinationsWrite)
    .takes(&[json_form("UrlTest")])
    .answers(&[Answer::of(200, "What came of it.", &[json_form("Trial")])])
    .problems(&[TOO_MANY_TESTS]);
