//! What the document says of apps and functions.

use crate::http::openapi::{LIMIT, Operation, Parameter, Part, ROW_CURSOR, Shape, delete, get, patch, post};
use crate::model::Scope;

pub(in crate::http) const PART: Part = Part {
    name: "Functions",
    operations: &[
        LIST_APPS, CREATE_APP, SHOW_APP, CHANGE_APP, REMOVE_APP, LIST, CREATE, SHOW, CHANGE, REMOVE,
    ],
};

const APP: Parameter =
    Parameter::new("app", Shape::Text { least: 0, most: 256 }, "Functions of the app with this slug.");

const LIST_APPS: Operation = get("/api/v1/apps")
    .named("listApps", "List apps")
    .scope(Scope::FunctionsRead)
    .query(&[LIMIT, ROW_CURSOR]);

const CREATE_APP: Operation =
    post("/api/v1/apps").named("createApp", "Create an app").scope(Scope::FunctionsWrite);

const SHOW_APP: Operation =
    get("/api/v1/apps/{slug}").named("getApp", "Show an app").scope(Scope::FunctionsRead);

const CHANGE_APP: Operation =
    patch("/api/v1/apps/{slug}").named("updateApp", "Change an app").scope(Scope::FunctionsWrite);

const REMOVE_APP: Operation = delete("/api/v1/apps/{slug}")
    .named("deleteApp", "Remove an app")
    .about("It must have no functions left.")
    .scope(Scope::FunctionsWrite);

const LIST: Operation = get("/api/v1/functions")
    .named("listFunctions", "List functions")
    .scope(Scope::FunctionsRead)
    .query(&[LIMIT, ROW_CURSOR, APP]);

const CREATE: Operation = post("/api/v1/functions")
    .named("createFunction", "Create a function")
    .about("`secret` is in this answer and no other.")
    .scope(Scope::FunctionsWrite);

const SHOW: Operation =
    get("/api/v1/functions/{id}").named("getFunction", "Show a function").scope(Scope::FunctionsRead);

const CHANGE: Operation =
    patch("/api/v1/functions/{id}").named("updateFunction", "Change a function").scope(Scope::FunctionsWrite);

const REMOVE: Operation = delete("/api/v1/functions/{id}")
    .named("deleteFunction", "Remove a function")
    .about("Its subscriptions go with it.")
    .scope(Scope::FunctionsWrite);
