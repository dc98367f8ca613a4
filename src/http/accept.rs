//! Choosing how events are written, by `Accept` (RFC 9110 section 12.5.1).

use super::problem::Problem;
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;

/// A way to write events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A list document, or the bare event.
    Json,
    /// One event a line.
    Lines,
    /// `CloudEvents` in a batch; for one event a structured one.
    CloudEvents,
    /// Server-Sent Events.
    EventStream,
}

impl Format {
    /// What a list may be written as, best first.
    pub(super) const LISTS: [(&'static str, Self); 4] = [
        ("application/json", Self::Json),
        ("application/x-ndjson", Self::Lines),
        ("application/cloudevents-batch+json", Self::CloudEvents),
        ("text/event-stream", Self::EventStream),
    ];

    /// What one event may be written as, best first.
    pub(super) const SINGLE: [(&'static str, Self); 2] =
        [("application/json", Self::Json), ("application/cloudevents+json", Self::CloudEvents)];
}

/// The format that the caller prefers among `offered`; the first of them when it does not say.
pub(super) fn negotiate(
    request: &HttpRequest,
    offered: &[(&'static str, Format)],
) -> Result<Format, Problem> {
    let mut given = request.headers().get_all(ACCEPT).peekable();
    if given.peek().is_none() {
        return Ok(offered[0].1);
    }
    let ranges: Vec<(&str, u16)> =
        given.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(range).collect();
    let quality = |name: &str| -> u16 {
        let of_kind = name.split('/').next().unwrap_or_default();
        let best = ranges.iter().filter_map(|(range, quality)| {
            let exactness = if range.eq_ignore_ascii_case(name) {
                2
            } else if range.strip_suffix("/*").is_some_and(|kind| kind.eq_ignore_ascii_case(of_kind)) {
                1
            } else if *range == "*/*" {
                0
            } else {
                return None;
            };
            Some((exactness, *quality))
        });
        best.max().map_or(0, |(_, quality)| quality)
    };
    let mut best: Option<(u16, Format)> = None;
    for (name, format) in offered {
        let quality = quality(name);
        if quality > 0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, *format));
        }
    }
    best.map(|(_, format)| format).ok_or_else(|| not_acceptable(offered))
}

/// 406 with what there is.
pub(super) fn not_acceptable(offered: &[(&'static str, Format)]) -> Problem {
    let names: Vec<&str> = offered.iter().map(|(name, _)| *name).collect();
    let detail = format!("this can be had as {}", names.join(", "));
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
}

/// A media range and its quality in thousandths.
pub(super) fn range(text: &str) -> (&str, u16) {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default().trim();
    let quality = parts
        .filter_map(|parameter| parameter.trim().split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("q"))
        .find_map(|(_, value)| value.parse::<f32>().ok())
        .map_or(1000, |quality| (quality.clamp(0.0, 1.0) * 1000.0) as u16);
    (name, quality)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn chosen(accept: Option<&str>) -> Option<Format> {
        let request = TestRequest::get();
        let request = accept.iter().fold(request, |request, value| request.append_header(("accept", *value)));
        negotiate(&request.to_http_request(), &Format::LISTS).ok()
    }

    #[test]
    fn the_most_wanted_format_wins_and_json_is_the_default() {
        for (accept, format) in [
            (None, Some(Format::Json)),
            (Some("*/*"), Some(Format::Json)),
            (Some("application/*"), Some(Format::Json)),
            (Some("text/html, application/x-ndjson"), Some(Format::Lines)),
            (Some("application/json;q=0.5, application/x-ndjson;q=0.9"), Some(Format::Lines)),
            (Some("application/json;Q=0.5, application/x-ndjson;Q=0.9"), Some(Format::Lines)),
            (Some("application/json;q=0, */*;q=0.1"), Some(Format::Lines)),
            (Some("text/event-stream"), Some(Format::EventStream)),
            (Some("Application/CloudEvents-Batch+JSON; charset=utf-8"), Some(Format::CloudEvents)),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            (Some(""), None),
        ] {
            assert_eq!(chosen(accept), format, "{accept:?}");
        }
    }
}
