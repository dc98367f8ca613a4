//! Writing events: the list document and its other forms, each in one buffer.

use super::accept::Format;
use crate::log::{Bounds, Page};
use crate::model::StoredEvent;
use crate::model::cloudevent::push_cloudevent;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LINK, TryIntoHeaderValue, VARY,
};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// For forms that have no room for them.
const X_NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");
const X_OLDEST_CURSOR: HeaderName = HeaderName::from_static("x-oldest-cursor");
const X_HEAD_CURSOR: HeaderName = HeaderName::from_static("x-head-cursor");

/// A page with all that its answer says.
pub(super) struct Shown<'a> {
    pub(super) page: &'a Page,
    pub(super) bounds: Bounds,
    pub(super) format: Format,
    pub(super) link: String,
    pub(super) tag: String,
}

/// A page of events.
pub(super) fn list(shown: &Shown<'_>) -> HttpResponse {
    let Shown { page, bounds, format, link, tag } = shown;
    let size: usize = page.events.iter().map(|event| event.envelope().len() + 256).sum();
    let mut out = Vec::with_capacity(size + 256);
    match format {
        Format::Lines => push_lines(page, &mut out),
        Format::CloudEvents => push_array(page, &mut out, push_cloudevent),
        Format::Json | Format::EventStream => {
            out.extend_from_slice(br#"{"data":"#);
            push_array(page, &mut out, StoredEvent::push_with_sequence);
            let rest = format!(
                r#","has_more":{},"next_cursor":"{}","oldest_cursor":"{}","head_cursor":"{}"}}"#,
                page.has_more,
                page.scanned_to,
                bounds.oldest.previous(),
                bounds.head
            );
            out.extend_from_slice(rest.as_bytes());
        }
    }
    let mut answer = HttpResponse::Ok();
    set(&mut answer, CONTENT_TYPE, content_type(*format));
    if *format != Format::Json {
        set(&mut answer, X_NEXT_CURSOR, page.scanned_to.to_string());
        set(&mut answer, X_OLDEST_CURSOR, bounds.oldest.previous().to_string());
        set(&mut answer, X_HEAD_CURSOR, bounds.head.to_string());
    }
    set(&mut answer, LINK, link.as_str());
    set(&mut answer, ETAG, tag.as_str());
    set(&mut answer, CACHE_CONTROL, "private, no-cache");
    set(&mut answer, VARY, "Accept, Authorization");
    answer.body(out)
}

/// One event.
pub(super) fn one(event: &StoredEvent, format: Format) -> HttpResponse {
    let mut out = Vec::with_capacity(event.envelope().len() + 256);
    let content_type = if format == Format::CloudEvents {
        push_cloudevent(event, &mut out);
        "application/cloudevents+json"
    } else {
        event.push_with_sequence(&mut out);
        "application/json"
    };
    let mut answer = HttpResponse::Ok();
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, "private, no-cache");
    set(&mut answer, VARY, "Accept, Authorization");
    answer.body(out)
}

/// 304: what the caller has is still it.
pub(super) fn not_modified(tag: String) -> HttpResponse {
    let mut answer = HttpResponse::NotModified();
    set(&mut answer, ETAG, tag);
    set(&mut answer, CACHE_CONTROL, "private, no-cache");
    set(&mut answer, VARY, "Accept, Authorization");
    answer.finish()
}

fn set(answer: &mut HttpResponseBuilder, name: HeaderName, value: impl TryIntoHeaderValue) {
    // A value that is no header value is left out; none here can be one.
    if let Ok(value) = value.try_into_value() {
        answer.insert_header((name, value));
    }
}

fn content_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Json | Format::EventStream => "application/json",
        Format::Lines => "application/x-ndjson",
        Format::CloudEvents => "application/cloudevents-batch+json",
    })
}

fn push_array(page: &Page, out: &mut Vec<u8>, push: impl Fn(&StoredEvent, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, event) in page.events.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(event, out);
    }
    out.push(b']');
}

/// One event a line. Line breaks between the tokens of `data` become spaces: inside a string there are none.
fn push_lines(page: &Page, out: &mut Vec<u8>) {
    for event in &page.events {
        let start = out.len();
        event.push_with_sequence(out);
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.push(b'\n');
    }
}
