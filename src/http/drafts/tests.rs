//! What is read from hostile documents: bounded answers, and never a draft beside a violation.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

#[test]
fn an_answer_names_at_most_a_hundred_broken_rules_and_cuts_long_names() {
    let members: Vec<String> = (0..5000).map(|n| format!("\"x{n}\":1")).collect();
    let body = Bytes::from(format!("{{{}}}", members.join(",")));
    let problem = read_single(&body).unwrap_err();
    assert_eq!(problem.violations().len(), MAX_VIOLATIONS);
    let body = Bytes::from(format!("{{\"{}\":1}}", "n".repeat(100_000)));
    assert!(read_single(&body).unwrap_err().violations()[0].pointer.len() <= MAX_NAME + 1);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in r#"[\[\]{}:,"\\a-eidtypedata0-9 \n]{0,60}"#) {
        let body = Bytes::from(text);
        let _ = read_single(&body);
        let _ = read_batch(&body);
        let _ = read_lines(&body);
        let _ = read_structured(&body);
        let _ = read_structured_batch(&body);
    }

    #[test]
    fn what_is_read_is_what_was_written(kind in "[a-z][a-z0-9._-]{0,20}", pipeline in "\\PC{1,40}", n: i64) {
        prop_assume!(crate::model::EventType::parse(&kind).unwrap().check_publishable().is_ok());
        let data = serde_json::json!({"n": n, "p": pipeline}).to_string();
        let body = format!(r#"{{"data":{data}, "type":"{kind}","pipeline":{}}}"#, serde_json::json!(pipeline));
        let draft = read_single(&Bytes::from(body)).unwrap();
        prop_assert_eq!(draft.event_type.as_str(), kind);
        prop_assert_eq!(draft.pipeline.as_deref(), Some(&*pipeline));
        prop_assert_eq!(&draft.data[..], data.as_bytes());
    }
}
