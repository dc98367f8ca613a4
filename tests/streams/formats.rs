//! What an event looks like in each format, whatever its data looks like.

use crate::parser::Seen;
use crate::support::{at, draft, start};
use campanile::model::EventDraft;
use serde_json::{Value, json};

const REPLAY: &str = "until=2999-01-01T00:00:00Z";

fn extract() -> EventDraft {
    let data = r#"{"rows":1300,"share":1.10,"timestamp":"mine"}"#;
    let stage = at("2026-02-15T12:00:00Z", draft("pipeline.stage.extract", data));
    EventDraft { pipeline: Some("user-analytics".into()), run_id: Some("run_001".into()), ..stage }
}

#[test]
fn the_three_formats_change_the_data_and_nothing_else() {
    let server = start();
    server.publish(vec![extract()]);
    let heard = |format: &str| {
        let mut stream = server.stream(&format!("{REPLAY}&format={format}"));
        let Some(Seen::Message { event, data, id }) =
            stream.rest().into_iter().find(|seen| seen.sequence().is_some())
        else {
            panic!("no event")
        };
        assert_eq!((event.as_str(), id.as_str()), ("pipeline.stage.extract", "1"));
        data
    };
    let envelope = heard("envelope");
    assert!(envelope.ends_with(r#""pipeline":"user-analytics","run_id":"run_001","data":{"rows":1300,"share":1.10,"timestamp":"mine"}}"#));
    // No name stands twice: what the publisher says wins.
    assert_eq!(
        heard("flat"),
        r#"{"pipeline":"user-analytics","run_id":"run_001","rows":1300,"share":1.10,"timestamp":"mine"}"#
    );
    let cloud: Value = serde_json::from_str(&heard("cloudevents")).unwrap();
    assert_eq!(cloud["specversion"], "1.0");
    assert_eq!(cloud["type"], "pipeline.stage.extract");
    assert_eq!(cloud["data"]["rows"], 1300);
}

#[test]
fn data_with_every_kind_of_line_break_and_character_comes_whole() {
    let server = start();
    let data = [
        "{}",
        "{\"a\":1,\n\"b\":2}",
        "{\"a\":1,\r\n\"b\":2,\r\"c\":3,\n\n\"d\":4\n}",
        "{\"text\":\"é \u{1f600} \u{feff} \u{2028} : x\\r\\n\\u0000\"}",
        "{\n\n\n}",
    ];
    server.publish(data.iter().map(|data| draft("a", *data)).collect());
    for format in ["envelope", "cloudevents", "flat"] {
        let mut stream = server.stream(&format!("{REPLAY}&format={format}"));
        let mut heard = Vec::new();
        while let Some(seen) = stream.next() {
            heard.extend(seen.sequence().map(|_| seen.json()));
        }
        assert_eq!(heard.len(), data.len());
        for (heard, data) in heard.iter().zip(data) {
            let expected: Value = serde_json::from_str(data).unwrap();
            if format == "flat" {
                let mut flat = heard.clone();
                flat.as_object_mut().unwrap().remove("timestamp");
                assert_eq!(flat, expected);
            } else {
                assert_eq!(heard["data"], expected);
            }
        }
    }
}

#[test]
fn an_event_larger_than_any_buffer_comes_whole() {
    let server = start();
    let mut stream = server.stream("");
    let long = "x".repeat(900_000);
    server.publish(vec![draft("big", format!(r#"{{"s":"{long}"}}"#)), draft("small", "{}")]);
    assert_eq!(stream.message().json()["data"], json!({ "s": long }));
    stream.expect([2]);
}
