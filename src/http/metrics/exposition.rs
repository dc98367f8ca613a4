//! Writing metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.
//!
//! The two differ in how a counter's and an info's family is named, in the types they know and in the end mark.

use crate::http::accept::range;
use std::fmt::{Display, Write};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header prefers: `OpenMetrics` only when it is named.
    pub(in crate::http) fn by_accept(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let named = accept.split(',').map(range).filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, quality)| quality).max().unwrap_or(0)
        };
        let open = quality("application/openmetrics-text");
        if open > 0 && open >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its content type.
    pub(in crate::http) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Always one; its labels tell something.
    Info,
}

/// A page of metrics being written.
#[derive(Debug)]
pub(in crate::http) struct Exposition {
    out: String,
    format: Format,
    family: &'static str,
    suffix: &'static str,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { out: String::with_capacity(8 * 1024), format, family: "", suffix: "" }
    }

    /// Begins a family, named without `_total` or `_info`.
    pub(in crate::http) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let open = self.format == Format::OpenMetrics;
        let (suffix, word) = match kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Info if open => ("_info", "info"),
            Kind::Info => ("_info", "gauge"),
        };
        // A sample's suffix is part of the family's name in the older format only.
        let shown = if open { "" } else { suffix };
        (self.family, self.suffix) = (name, if kind == Kind::Info { "_info" } else { "" });
        // Writing into a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name}{shown} {help}");
        let _ = writeln!(self.out, "# TYPE {name}{shown} {word}");
    }

    /// Writes a sample of the family begun last.
    pub(in crate::http) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(self.family);
        self.out.push_str(self.suffix);
        self.out.push_str(suffix);
        for (at, (name, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{}{name}=\"{escaped}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut out = Exposition::new(format);
        out.family("x_build", Kind::Info, "Which.");
        out.sample("", &[("version", "1\"2")], 1);
        out.family("x_hits", Kind::Counter, "How many.");
        out.sample("_total", &[], 7);
        String::from_utf8(out.finish()).unwrap()
    }

    #[test]
    fn the_format_that_is_wanted_more_is_taken() {
        let scraper =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/html", Format::Prometheus),
            (scraper, Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0, */*", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.5, text/plain;q=0.9", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
        ] {
            assert_eq!(Format::by_accept(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_names_the_sample_and_knows_no_info() {
        let expected = "# HELP x_build_info Which.\n# TYPE x_build_info gauge\nx_build_info{version=\"1\\\"2\"} 1\n\
                        # HELP x_hits_total How many.\n# TYPE x_hits_total counter\nx_hits_total 7\n";
        assert_eq!(page(Format::Prometheus), expected);
    }

    #[test]
    fn open_metrics_names_the_family_and_ends_with_a_mark() {
        let expected = "# HELP x_build Which.\n# TYPE x_build info\nx_build_info{version=\"1\\\"2\"} 1\n\
                        # HELP x_hits How many.\n# TYPE x_hits counter\nx_hits_total 7\n# EOF\n";
        assert_eq!(page(Format::OpenMetrics), expected);
    }
}
