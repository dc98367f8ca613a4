//! What goes into a query, a header or a path.

/// One named text of a request or an answer.
#[derive(Debug)]
pub(in crate::http) struct Parameter {
    pub(in crate::http) name: &'static str,
    pub(in crate::http) about: &'static str,
    pub(in crate::http) shape: Shape,
    /// Whether it may stand more than once.
    pub(in crate::http) repeats: bool,
}

/// What a text must look like.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Shape {
    /// Any text.
    Any,
    /// Text of so many characters.
    Text { least: u32, most: u32 },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number in a range.
    Whole { least: u64, most: u64 },
    /// An RFC 3339 time.
    Time,
    /// Text that matches an expression; with an example.
    Pattern { pattern: &'static str, example: &'static str },
    /// Text of a named kind, which no expression describes; with an example.
    Format { format: &'static str, example: &'static str },
}

impl Parameter {
    /// A parameter that may be left out.
    pub(in crate::http) const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, about, shape, repeats: false }
    }

    /// The same, but it may stand more than once.
    pub(in crate::http) const fn repeated(mut self) -> Self {
        self.repeats = true;
        self
    }
}

pub(in crate::http) const LIMIT: Parameter =
    Parameter::new("limit", Shape::Whole { least: 1, most: 1000 }, "How many at most; 100 when absent.");

pub(in crate::http) const CURSOR: Parameter = Parameter::new(
    "cursor",
    Shape::Pattern { pattern: "^(0|[1-9][0-9]{0,18})$", example: "41" },
    "`next_cursor` of an earlier answer: goes on after it. Opaque, and good across restarts.",
);

/// The cursor of a list that is in the order of its rows' names.
pub(in crate::http) const fn row_cursor(pattern: &'static str, example: &'static str) -> Parameter {
    let about = "`next_cursor` of an earlier answer: goes on after it. Opaque, and good across restarts.";
    Parameter::new("cursor", Shape::Pattern { pattern, example }, about)
}

/// A segment of a path.
pub(in crate::http) const EVENT_ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern { pattern: "^[A-Za-z0-9_-]{1,64}$", example: "evt_01M8Z3W9X2K4Q5R6S7T8V9WXYZ" },
    "The event's id.",
);

pub(in crate::http) const DESTINATION_ID: Parameter = Parameter::new(
    "id",
    Shape::Pattern {
        pattern: "^dst_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
        example: "dst_01M8Z3W9X2K4Q5R6S7T8V9WXYZ",
    },
    "The destination's id.",
);

pub(in crate::http) const LOCATION: Parameter = Parameter::new(
    "Location",
    Shape::Format { format: "uri-reference", example: "/api/v1/keys" },
    "Where it is.",
);
