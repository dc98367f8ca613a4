//! `docs/streams.md`.

use crate::support::*;

#[test]
fn every_command_of_the_guide_for_readers_works() {
    let said = said_by("docs/streams.md", "stream", 0);
    assert_eq!(said.len(), 7);
    assert_eq!(said[0], "1 evt_a\n2 evt_b\n3 evt_c\n");
    assert!(said[1].contains("id: 2\nevent: pipeline.completed\n"), "{}", said[1]);
    assert!(said[1].contains("id: 3\n") && !said[1].contains("evt_a"), "{}", said[1]);
    let flat = r#"data: {"pipeline":"orders","timestamp":"2026-01-01T00:10:00Z","rows":5000}"#;
    assert!(said[2].contains(flat) && said[2].contains("event: stream.end"), "{}", said[2]);
    assert_eq!(said[2].matches("event: ").count(), 2, "{}", said[2]);
    assert_eq!(said[3], "3\n401\n");
    let names = ["pipeline.started", "pipeline.completed", "pipeline.failed"];
    for followed in [&said[4], &said[5]] {
        let heard: Vec<&str> = followed.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(heard, names, "{followed}");
    }
    let polled = "1 pipeline.started\n2 pipeline.completed\nnext 2\n3 pipeline.failed\nnext 3\nnext 3\n";
    assert_eq!(said[6], polled);
}
