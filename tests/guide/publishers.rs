//! `docs/publisher.md`.

use crate::support::*;

#[test]
fn every_command_of_the_guide_for_publishers_works() {
    let said = said_by("docs/publisher.md", "publisher", 0);
    assert_eq!(said.len(), 7);
    assert!(said[0].contains(r#""sequence":1"#) && said[0].contains(r#"{"total":12.50}"#), "{}", said[0]);
    assert_eq!(said[1], "200\n409\n");
    assert_eq!(said[2].matches("idempotency-replayed: true").count(), 1, "{}", said[2]);
    assert!(said[3].contains(r#"{"id":"b-2","sequence":6}"#) && said[3].ends_with("7 c-1\n"), "{}", said[3]);
    assert!(said[4].contains(r#""id":"1""#) && said[4].contains(r#""id":"evt_"#), "{}", said[4]);
    assert!(said[5].contains(r#""pointer":"/data/total""#), "{}", said[5]);
    assert!(said[6].contains("EXECUTION_ERROR") && said[6].contains("connection failed"), "{}", said[6]);
}
