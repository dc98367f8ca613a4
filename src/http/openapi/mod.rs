//! What is said of every operation, beside the code that serves it, and the document made of it.
//!
//! Each area has its `api.rs` with a [`Part`]: its operations and the schemas they name. The document, the page for
//! people and the refusal of unknown query parameters all come from there, so none of them can say anything else than
//! the others.

mod answers;
mod api;
mod document;
mod page;
mod parameters;
mod problems;
mod schema;
mod served;

pub(in crate::http) use answers::{Answer, Form, JSON, json_form, page_of};

pub(in crate::http) use document::Served;
pub(in crate::http) use parameters::{
    CURSOR, DESTINATION_ID, EVENT_ID, LIMIT, LOCATION, Parameter, Shape, row_cursor,
};
pub(in crate::http) use served::{docs, show, style};

pub(in crate::http) use schema::{closed, named, nullable, object, page};

use crate::model::Scope;
use serde_json::Value;

/// One area of the API.
pub(in crate::http) struct Part {
    /// What the area is called.
    pub(in crate::http) name: &'static str,
    /// What it is for.
    pub(in crate::http) about: &'static str,
    /// Everything that can be done there.
    pub(in crate::http) operations: &'static [Operation],
    /// The schemas that its operations name.
    pub(in crate::http) schemas: fn() -> Vec<(&'static str, Value)>,
}

/// A method at a path, and everything a caller must know of it.
#[derive(Debug)]
pub(in crate::http) struct Operation {
    pub(in crate::http) method: &'static str,
    pub(in crate::http) path: &'static str,
    /// The name in clients, as `createKey`.
    pub(in crate::http) id: &'static str,
    pub(in crate::http) summary: &'static str,
    pub(in crate::http) about: &'static str,
    pub(in crate::http) access: Access,
    pub(in crate::http) query: &'static [Parameter],
    pub(in crate::http) headers: &'static [Parameter],
    /// The segments of its path that stand for something.
    pub(in crate::http) segments: &'static [Parameter],
    /// What its body may be; empty for none.
    pub(in crate::http) body: &'static [Form],
    pub(in crate::http) needs_body: bool,
    pub(in crate::http) answers: &'static [Answer],
    /// Errors of its own, beside those that follow from everything else.
    pub(in crate::http) problems: &'static [(u16, &'static str)],
    /// Whether errors have the envelope of the cloud's event calls.
    pub(in crate::http) has_envelope: bool,
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Access {
    /// Everybody.
    Open,
    /// Callers whose key has a scope.
    Key(Scope),
    /// The same, or who brings a ticket.
    KeyOrTicket(Scope),
}

/// `GET` and `HEAD` of a path.
pub(in crate::http) const fn get(path: &'static str) -> Operation {
    Operation::at("GET", path)
}

/// `POST` to a path.
pub(in crate::http) const fn post(path: &'static str) -> Operation {
    Operation::at("POST", path)
}

/// `PUT` of a path.
pub(in crate::http) const fn put(path: &'static str) -> Operation {
    Operation::at("PUT", path)
}

/// `PATCH` of a path.
pub(in crate::http) const fn patch(path: &'static str) -> Operation {
    Operation::at("PATCH", path)
}

/// `DELETE` of a path.
pub(in crate::http) const fn delete(path: &'static str) -> Operation {
    Operation::at("DELETE", path)
}

impl Operation {
    const fn at(method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            id: "",
            summary: "",
            about: "",
            access: Access::Open,
            query: &[],
            headers: &[],
            segments: &[],
            body: &[],
            needs_body: false,
            answers: &[],
            problems: &[],
            has_envelope: false,
        }
    }

    /// Its name in clients and what it does in a few words.
    pub(in crate::http) const fn named(mut self, id: &'static str, summary: &'static str) -> Self {
        (self.id, self.summary) = (id, summary);
        self
    }

    /// What else there is to know.
    pub(in crate::http) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The scope that a caller's key needs.
    pub(in crate::http) const fn scope(mut self, scope: Scope) -> Self {
        self.access = Access::Key(scope);
        self
    }

    /// The scope, of a key or of the key that a ticket was given to.
    pub(in crate::http) const fn scope_or_ticket(mut self, scope: Scope) -> Self {
        self.access = Access::KeyOrTicket(scope);
        self
    }

    /// Its query parameters: every other one is refused.
    pub(in crate::http) const fn query(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    /// Request headers that it minds.
    pub(in crate::http) const fn headers(mut self, headers: &'static [Parameter]) -> Self {
        self.headers = headers;
        self
    }

    /// What the named segments of its path are.
    pub(in crate::http) const fn segments(mut self, segments: &'static [Parameter]) -> Self {
        self.segments = segments;
        self
    }

    /// It needs a body, in one of these forms.
    pub(in crate::http) const fn takes(mut self, body: &'static [Form]) -> Self {
        (self.body, self.needs_body) = (body, true);
        self
    }

    /// It takes a body in one of these forms, or none.
    pub(in crate::http) const fn may_take(mut self, body: &'static [Form]) -> Self {
        (self.body, self.needs_body) = (body, false);
        self
    }

    /// What it answers when all is well.
    pub(in crate::http) const fn answers(mut self, answers: &'static [Answer]) -> Self {
        self.answers = answers;
        self
    }

    /// Errors of its own.
    pub(in crate::http) const fn problems(mut self, problems: &'static [(u16, &'static str)]) -> Self {
        self.problems = problems;
        self
    }

    /// Its errors have the envelope of the cloud's event calls.
    pub(in crate::http) const fn in_envelope(mut self) -> Self {
        self.has_envelope = true;
        self
    }

    /// Whether a request with this method is for it.
    pub(in crate::http) fn answers_to(&self, method: &str) -> bool {
        self.method == method || (self.method == "GET" && method == "HEAD")
    }
}

/// Every area, in the order in which people read of them.
static PARTS: [Part; 16] = [
    super::publish::api::PART,
    super::poll::api::PART,
    super::stream::api::PART,
    super::destinations::api::PART,
    super::deliveries::api::PART,
    super::replays::api::PART,
    super::event_types::api::PART,
    super::functions::api::PART,
    super::cloud::api::PART,
    super::invocations::api::PART,
    super::keys::api::PART,
    super::tenants::api::PART,
    super::operations::api::PART,
    super::session::api::PART,
    super::console::api::PART,
    api::PART,
];

/// Everything that is said of a path.
pub(in crate::http) fn operations_at(path: &str) -> Vec<&'static Operation> {
    let all = PARTS.iter().flat_map(|part| part.operations);
    all.filter(|operation| operation.path == path).collect()
}
