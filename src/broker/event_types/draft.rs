//! What a caller may say about an event type, and the rules of each member. The schema stays as it is written.

use crate::model::json;
use crate::model::{
    BodyFormat, CheckBudget, DataSchema, EventMode, EventType, EventTypeDefinition, SampleEvent, Violation,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Range;

const MOST_DESCRIPTION: usize = 1000;

/// The longest sample, in bytes.
const MOST_SAMPLE: usize = 64 << 10;

/// Reads a body that was scanned. Whatever it leaves out is as if it had never been given.
pub(super) fn read(name: EventType, body: &[u8]) -> Result<EventTypeDefinition, Vec<Violation>> {
    let Some(members) = json::members(body, 0..body.len()) else {
        return Err(vec![Violation::new("", "the body is a JSON object")]);
    };
    let mut reading = Reading { body, violations: Vec::new() };
    let mut definition = EventTypeDefinition {
        name,
        description: String::new(),
        mode: EventMode::Notify,
        catalog: None,
        schema: None,
        sample: None,
        deprecated: false,
        format: None,
    };
    let mut sample = None;
    for (member, span) in members {
        match &*member {
            "description" => definition.description = reading.description(span).unwrap_or_default(),
            "mode" => {
                definition.mode = reading.value("mode", span, "notify, pre or post").unwrap_or_default();
            }
            "deprecated" => {
                definition.deprecated =
                    reading.value("deprecated", span, "true or false").unwrap_or_default();
            }
            "format" => {
                let wanted = "envelope, resource, run, audit, cloudevents or null";
                definition.format = reading.value::<Option<BodyFormat>>("format", span, wanted).flatten();
            }
            "schema" => definition.schema = reading.schema(span),
            "sample" => sample = reading.sample(span),
            "name" | "catalog" => reading.fixed(&member, span, definition.name.as_str()),
            unknown => reading.refuse(&Violation::escape(unknown), "there is no such member"),
        }
    }
    definition.sample = reading.fitting_sample(definition.schema.as_ref(), sample);
    if reading.violations.is_empty() { Ok(definition) } else { Err(reading.violations) }
}

struct Reading<'a> {
    body: &'a [u8],
    violations: Vec<Violation>,
}

impl Reading<'_> {
    fn refuse(&mut self, member: &str, detail: impl Into<String>) {
        self.violations.push(Violation::new(format!("/{member}"), detail));
    }

    fn text(&self, span: Range<usize>) -> &str {
        std::str::from_utf8(&self.body[span]).unwrap_or_default()
    }

    fn value<T: DeserializeOwned>(&mut self, member: &str, span: Range<usize>, wanted: &str) -> Option<T> {
        let read = serde_json::from_str(self.text(span)).ok();
        if read.is_none() {
            self.refuse(member, wanted);
        }
        read
    }

    fn description(&mut self, span: Range<usize>) -> Option<String> {
        let wanted = format!("a string of at most {MOST_DESCRIPTION} characters without control characters");
        let text: String = self.value("description", span, &wanted)?;
        let fits = text.chars().count() <= MOST_DESCRIPTION && !text.chars().any(char::is_control);
        if !fits {
            self.refuse("description", wanted);
        }
        Some(text)
    }

    fn schema(&mut self, span: Range<usize>) -> Option<DataSchema> {
        let text = self.text(span);
        if text == "null" {
            return None;
        }
        match DataSchema::parse(text) {
            Ok(schema) => Some(schema),
            Err(broken) => {
                self.violations.extend(broken.into_iter().map(|one| one.under("/schema")));
                None
            }
        }
    }

    /// The text of the sample's data.
    fn sample(&mut self, span: Range<usize>) -> Option<String> {
        let text = self.text(span).to_owned();
        if text == "null" {
            return None;
        }
        if !text.starts_with('{') || text.len() > MOST_SAMPLE {
            self.refuse("sample", format!("an example of data: an object of at most {MOST_SAMPLE} bytes"));
        }
        Some(text)
    }

    /// Members that follow from the path: taken as they are shown, so that an answer can be put back.
    fn fixed(&mut self, member: &str, span: Range<usize>, name: &str) {
        let given: Value = serde_json::from_str(self.text(span)).unwrap_or_default();
        let fits = if member == "name" { given == name } else { given.is_null() };
        if !fits {
            self.refuse(member, "read-only");
        }
    }

    /// The sample when it fits the schema; one that is made of the schema when none was given.
    fn fitting_sample(&mut self, schema: Option<&DataSchema>, given: Option<String>) -> Option<SampleEvent> {
        if !self.violations.is_empty() {
            return None;
        }
        let Some(given) = given else {
            let made = schema.map_or_else(|| Some("{}".to_owned()), DataSchema::sample);
            return made.map(SampleEvent::of_data);
        };
        let mut budget = CheckBudget::default();
        let broken = schema.map(|schema| schema.check(given.as_bytes(), &mut budget)).unwrap_or_default();
        self.violations.extend(broken.into_iter().map(|one| one.under("/sample")));
        Some(SampleEvent::of_data(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<EventTypeDefinition, Vec<Violation>> {
        read(EventType::parse("order.paid").unwrap(), body.as_bytes())
    }

    #[track_caller]
    fn refused(body: &str, pointers: &[&str]) {
        let violations = read_text(body).unwrap_err();
        let found: Vec<&str> = violations.iter().map(|one| &*one.pointer).collect();
        assert_eq!(found, pointers, "{violations:?}");
    }

    #[test]
    fn a_type_is_read_whole_and_its_schema_stays_as_written() {
        let read = read_text(
            r#"{"description":"paid","mode":"pre","deprecated":true,"format":"run","name":"order.paid","catalog":null,
            "schema":{ "required":["n"], "properties":{"n":{"minimum":1.0}} },"sample":{"n": 1.50}}"#,
        );
        let read = read.unwrap();
        assert_eq!((read.description.as_str(), read.mode, read.deprecated), ("paid", EventMode::Pre, true));
        assert_eq!(read.format, Some(BodyFormat::Run));
        let written = r#"{ "required":["n"], "properties":{"n":{"minimum":1.0}} }"#;
        assert_eq!(read.schema.unwrap().as_str(), written);
        assert_eq!(read.sample.unwrap().data, r#"{"n": 1.50}"#);
    }

    #[test]
    fn nothing_given_is_the_plainest_type() {
        let read = read_text(r#"{"schema":null,"format":null,"sample":null}"#).unwrap();
        assert_eq!((read.mode, read.schema, read.format), (EventMode::Notify, None, None));
        assert_eq!(read.sample.unwrap().data, "{}");
        // None could be made.
        let read = read_text(
            r#"{"schema":{"required":["a"],"properties":{"a":{"type":"string","pattern":"^[0-9]{7}$"}}}}"#,
        );
        assert_eq!(read.unwrap().sample, None);
    }

    #[test]
    fn what_is_wrong_is_said_at_once_with_its_place() {
        refused(
            r#"{"description":5,"mode":"now","deprecated":1,"format":"xml","name":"other","catalog":"acme","x/y":1}"#,
            &["/description", "/mode", "/deprecated", "/format", "/name", "/catalog", "/x~1y"],
        );
        refused(r#"{"schema":{"properties":{"a":{"type":"nope"}}}}"#, &["/schema/properties/a/type"]);
        refused(r#"{"schema":true}"#, &["/schema"]);
        refused(r#"{"schema":{"required":["a"]},"sample":{"b":1}}"#, &["/sample/a"]);
        refused(r#"{"sample":[]}"#, &["/sample"]);
        refused("[]", &[""]);
    }
}
