//! What the document says of the console's files.

use crate::http::openapi::{Answer, Form, Operation, Parameter, Part, Shape, get};
use serde_json::json;

pub(in crate::http) const PART: Part = Part {
    name: "Console",
    about: "The console's files.",
    operations: &[PAGE, FILE, NESTED],
    schemas: || vec![("ConsoleFile", json!({"type": "string"}))],
};

const VERSION: Parameter =
    Parameter::new("version", Shape::Any, "The folder that the page names: a hash over all files.");
const FOLDER: Parameter = Parameter::new("folder", Shape::Any, "A folder of files.");
const NAME: Parameter = Parameter::new("file", Shape::Any, "A file.");

const FORMS: &[Form] = &[
    Form { media: "text/javascript", schema: "ConsoleFile" },
    Form { media: "text/css", schema: "ConsoleFile" },
    Form { media: "image/svg+xml", schema: "ConsoleFile" },
];

const PAGE: Operation = get("/").named("getConsole", "Show the console").answers(&[
    Answer::of(200, "The page.", &[Form { media: "text/html", schema: "ConsoleFile" }]),
    Answer::empty(304, "The page is the one that the caller has."),
]);

const FILE: Operation = get("/console/{version}/{file}")
    .named("getConsoleFile", "Show a file of the console")
    .segments(&[VERSION, NAME])
    .answers(&[Answer::of(200, "The file, which never changes.", FORMS)]);

const NESTED: Operation = get("/console/{version}/{folder}/{file}")
    .named("getConsoleFileInFolder", "Show a file in a folder of the console")
    .segments(&[VERSION, FOLDER, NAME])
    .answers(&[Answer::of(200, "The file, which never changes.", FORMS)]);
