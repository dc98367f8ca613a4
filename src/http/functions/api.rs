//! What the document says of apps and functions.

use crate::http::openapi::{
    Answer, LIMIT, LOCATION, Operation, Parameter, Part, Shape, closed, delete, get, json_form, named,
    nullable, object, page, page_of, patch, post, row_cursor,
};
use crate::model::Scope;
use serde_json::{Value, json};

pub(in crate::http) const PART: Part = Part {
    name: "Functions",
    about: "Programs that run on events, over HTTP or inside the broker's program, and the apps they belong to.",
    operations: &[
        LIST_APPS, CREATE_APP, SHOW_APP, CHANGE_APP, REMOVE_APP, LIST, CREATE, SHOW, CHANGE, REMOVE,
    ],
    schemas,
};

const NEXT: Parameter = row_cursor("^[0-9]{20}$", "00000000000000000041");

const APP: Parameter = Parameter::new("app", Shape::Any, "Functions of the app with this slug.");

const SLUG: Parameter = Parameter::new(
    "slug",
    Shape::Pattern { pattern: "^[a-z0-9-]{1,64}$", example: "crm" },
    "The app's slug.",
);

const ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern { pattern: "^[1-9][0-9]{0,18}$", example: "123" },
    "The function's number.",
);

const LIST_APPS: Operation = get("/api/v1/apps")
    .named("listApps", "List apps")
    .scope(Scope::FunctionsRead)
    .query(&[LIMIT, NEXT])
    .answers(&[page_of("A page.", &[json_form("AppPage")])]);

const CREATE_APP: Operation = post("/api/v1/apps")
    .named("createApp", "Create an app")
    .scope(Scope::FunctionsWrite)
    .takes(&[json_form("AppDraft")])
    .answers(&[Answer::of(201, "The app.", &[json_form("App")]).with(&[LOCATION])]);

const SHOW_APP: Operation = get("/api/v1/apps/{slug}")
    .named("getApp", "Show an app")
    .scope(Scope::FunctionsRead)
    .segments(&[SLUG])
    .answers(&[Answer::of(200, "The app.", &[json_form("App")])]);

const CHANGE_APP: Operation = patch("/api/v1/apps/{slug}")
    .named("updateApp", "Change an app")
    .scope(Scope::FunctionsWrite)
    .segments(&[SLUG])
    .takes(&[json_form("AppChange")])
    .answers(&[Answer::of(200, "The app.", &[json_form("App")])]);

const REMOVE_APP: Operation = delete("/api/v1/apps/{slug}")
    .named("deleteApp", "Remove an app")
    .scope(Scope::FunctionsWrite)
    .segments(&[SLUG])
    .answers(&[Answer::empty(204, "It is gone.")])
    .problems(&[(409, "It has functions.")]);

const LIST: Operation = get("/api/v1/functions")
    .named("listFunctions", "List functions")
    .scope(Scope::FunctionsRead)
    .query(&[LIMIT, NEXT, APP])
    .answers(&[page_of("A page.", &[json_form("FunctionPage")])]);

const CREATE: Operation = post("/api/v1/functions")
    .named("createFunction", "Create a function")
    .about("`secret` is in this answer and no other.")
    .scope(Scope::FunctionsWrite)
    .takes(&[json_form("FunctionDraft")])
    .answers(&[Answer::of(201, "The function.", &[json_form("NewFunction")]).with(&[LOCATION])]);

const SHOW: Operation = get("/api/v1/functions/{id}")
    .named("getFunction", "Show a function")
    .scope(Scope::FunctionsRead)
    .segments(&[ID])
    .answers(&[Answer::of(200, "The function.", &[json_form("Function")])]);

const CHANGE: Operation = patch("/api/v1/functions/{id}")
    .named("updateFunction", "Change a function")
    .scope(Scope::FunctionsWrite)
    .segments(&[ID])
    .takes(&[json_form("FunctionChange")])
    .answers(&[Answer::of(200, "The function.", &[json_form("Function")])]);

const REMOVE: Operation = delete("/api/v1/functions/{id}")
    .named("deleteFunction", "Remove a function")
    .about("Its subscriptions go with it.")
    .scope(Scope::FunctionsWrite)
    .segments(&[ID])
    .answers(&[Answer::empty(204, "It is gone.")]);

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*[!-~][^\\u0000-\\u001f\\u007f-\\u009f]*$"})
}

fn slug() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9-]{1,64}$"})
}

fn apps() -> Vec<(&'static str, Value)> {
    let members = json!({
        "id": {"type": "integer"}, "slug": slug(), "name": {"type": "string"}, "created_at": time(),
        "updated_at": time(),
    });
    let example = json!({
        "id": 1, "slug": "crm", "name": "CRM", "created_at": "2026-02-15T06:00:00Z",
        "updated_at": "2026-02-15T06:00:00Z",
    });
    let draft = json!({"name": name(), "slug": slug()});
    vec![
        ("App", object(&["id", "slug", "name", "created_at", "updated_at"], members, example)),
        ("AppPage", page("App")),
        ("AppDraft", closed(&["name"], draft.clone(), json!({"name": "CRM", "slug": "crm"}))),
        ("AppChange", closed(&[], draft, json!({"name": "CRM"}))),
    ]
}

fn function() -> (Value, Value) {
    let app = json!({
        "type": ["object", "null"], "required": ["id", "slug", "name"],
        "properties": {"id": {"type": "integer"}, "slug": slug(), "name": {"type": "string"}},
    });
    let members = json!({
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "slug": slug(),
        "app": app,
        "kind": {"enum": ["http", "in_process"]},
        "url": {"type": ["string", "null"]},
        "timeout_ms": {"type": "integer"},
        "retry": named("Retry"),
        "created_at": time(),
        "updated_at": time(),
    });
    let example = json!({
        "id": 123, "name": "Validate User Data", "slug": "validate-user-data",
        "app": {"id": 1, "slug": "crm", "name": "CRM"}, "kind": "http", "url": "https://example.com/functions/validate",
        "timeout_ms": 300_000, "retry": {"enabled": true, "schedule_s": [5, 300]},
        "created_at": "2026-02-15T06:00:00Z", "updated_at": "2026-02-15T06:00:00Z",
    });
    (members, example)
}

const ALWAYS: [&str; 10] =
    ["id", "name", "slug", "app", "kind", "url", "timeout_ms", "retry", "created_at", "updated_at"];

fn schemas() -> Vec<(&'static str, Value)> {
    let (members, example) = function();
    let (mut with_secret, mut made) = (members.clone(), example.clone());
    with_secret["secret"] =
        json!({"type": ["string", "null"], "description": "Shown this once; null when unsigned."});
    made["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=");
    let url = json!({"type": "string", "format": "webhook-url"});
    let change = json!({
        "name": name(),
        "slug": slug(),
        "app": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$", "description": "The slug of its app, which must exist."},
        "url": url,
        "timeout_ms": {"type": "integer", "minimum": 1, "maximum": 3_600_000},
        "retry": named("RetryDraft"),
    });
    let mut draft = change.clone();
    let secret = json!({"type": "string", "format": "webhook-secret"});
    draft["secret"] = nullable(secret);
    let given = [&ALWAYS[..], &["secret"]].concat();
    let new = json!({"name": "Validate User Data", "url": "https://example.com/functions/validate"});
    let mut all = apps();
    all.extend([
        ("Function", object(&ALWAYS, members, example)),
        ("NewFunction", object(&given, with_secret, made)),
        ("FunctionPage", page("Function")),
        ("FunctionDraft", closed(&["name", "url"], draft, new)),
        ("FunctionChange", closed(&[], change, json!({"timeout_ms": 60_000}))),
    ]);
    all
}
