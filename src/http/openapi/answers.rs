//! What comes back when all is well, and the forms that bodies have.

use super::{Parameter, Shape};

/// A body: its media type and the name of its schema.
#[derive(Debug)]
pub(in crate::http) struct Form {
    pub(in crate::http) media: &'static str,
    pub(in crate::http) schema: &'static str,
}

/// An answer that is no error.
#[derive(Debug)]
pub(in crate::http) struct Answer {
    pub(in crate::http) status: u16,
    pub(in crate::http) about: &'static str,
    /// Headers beside those that every answer has.
    pub(in crate::http) headers: &'static [Parameter],
    pub(in crate::http) forms: &'static [Form],
}

pub(in crate::http) const JSON: &str = "application/json";

/// JSON of a schema.
pub(in crate::http) const fn json_form(schema: &'static str) -> Form {
    Form { media: JSON, schema }
}

impl Answer {
    /// An answer with a body.
    pub(in crate::http) const fn of(status: u16, about: &'static str, forms: &'static [Form]) -> Self {
        Self { status, about, headers: &[], forms }
    }

    /// An answer without a body.
    pub(in crate::http) const fn empty(status: u16, about: &'static str) -> Self {
        Self::of(status, about, &[])
    }

    /// The same with headers.
    pub(in crate::http) const fn with(mut self, headers: &'static [Parameter]) -> Self {
        self.headers = headers;
        self
    }
}

const LINK: Parameter = Parameter::new(
    "Link",
    Shape::Format {
        format: "link",
        example: "</api/v1/keys?cursor=key_01M8Z3W9X2K4Q5R6S7T8V9WXYZ>; rel=\"next\"",
    },
    "Where the next page is, when there is one (RFC 8288).",
);

/// A page of a list.
pub(in crate::http) const fn page_of(about: &'static str, forms: &'static [Form]) -> Answer {
    Answer::of(200, about, forms).with(&[LINK])
}
