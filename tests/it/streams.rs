//! Event streams, read by a strict parser of their own.

use crate::harness::{ADMIN, Broker, OTHER, PATIENCE, PUBLISHER, READER, read_chunk, read_head, until};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::TcpStream;

/// A dispatched event, or (with no data) a block that only named a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub event: String,
    pub data: Option<String>,
    pub retry: Option<u64>,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    reader: BufReader<TcpStream>,
    buffer: Vec<u8>,
    blocks: VecDeque<Block>,
    pub headers: Vec<(String, String)>,
    pub ended: bool,
}

impl Stream {
    pub fn open(broker: &Broker, key: &str, query: &str, last_event_id: Option<&str>) -> Self {
        Self::try_open(broker, key, query, last_event_id).unwrap()
    }

    pub fn try_open(broker: &Broker, key: &str, query: &str, last_id: Option<&str>) -> std::io::Result<Self> {
        let mut socket = TcpStream::connect(broker.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let last = last_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let bearer = if key.is_empty() { String::new() } else { format!("Authorization: Bearer {key}\r\n") };
        let path = format!("/api/v1/events/stream?{query}");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{bearer}{last}\r\n")?;
        let mut reader = BufReader::new(socket);
        let (status, headers) = read_head(&mut reader)?;
        if status != 200 {
            return Err(std::io::Error::other(format!("status {status}")));
        }
        Ok(Self { reader, buffer: Vec::new(), blocks: VecDeque::new(), headers, ended: false })
    }

    /// The next block; `None` at the end or when the connection broke.
    pub fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Some(block);
            }
            match read_chunk(&mut self.reader) {
                Ok(Some(chunk)) => self.buffer.extend(chunk),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing came within {PATIENCE:?}")
                }
                _ => {
                    self.ended = true;
                    return None;
                }
            }
            while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let text: Vec<u8> = self.buffer.drain(..end + 2).collect();
                self.blocks.push_back(parse(std::str::from_utf8(&text).unwrap()));
            }
        }
    }

    /// The next block that is an event.
    pub fn event(&mut self) -> Option<Block> {
        loop {
            let block = self.next()?;
            if block.data.is_some() {
                return Some(block);
            }
        }
    }

    pub fn sequences(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.event().unwrap().id.unwrap().parse().unwrap()).collect()
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block { id: None, event: "message".to_owned(), data: None, retry: None };
    assert!(!text.contains('\r'), "{text:?}");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a strange line: {line:?}"));
        match name {
            "id" => block.id = Some(value.to_owned()),
            "event" => block.event = value.to_owned(),
            "retry" => block.retry = Some(value.parse().unwrap()),
            "data" => match &mut block.data {
                Some(data) => data.push_str(&format!("\n{value}")),
                None => block.data = Some(value.to_owned()),
            },
            _ => panic!("a strange field: {line:?}"),
        }
    }
    block
}

fn publish_many(broker: &Broker, count: usize) {
    let events: Vec<String> = (0..count)
        .map(|n| {
            format!(
                r#"{{"type":"{}","pipeline":"p{}","data":{{"n":{n}}}}}"#,
                ["a.one", "a.two", "b"][n % 3],
                n % 2
            )
        })
        .collect();
    for some in events.chunks(1000) {
        let body = format!(r#"{{"events":[{}]}}"#, some.join(","));
        broker.post(PUBLISHER, "/api/v1/events/batch", &body).expect(201);
    }
}

#[test]
fn a_stream_opens_at_once_with_its_headers_and_is_live() {
    let broker = Broker::start("");
    publish_many(&broker, 3);
    let mut stream = Stream::open(&broker, READER, "", None);
    let header = |name: &str| {
        stream
            .headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    assert!(header("content-type").starts_with("text/event-stream"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(stream.next().unwrap().retry, Some(2000));
    let stored = broker.publish(r#"{"type":"live","data":{"a":1}}"#).expect(201);
    let event = stream.event().unwrap();
    assert_eq!((event.id.as_deref(), event.event.as_str()), (Some("4"), "live"));
    let data: Value = serde_json::from_str(&event.data.unwrap()).unwrap();
    assert_eq!(data["id"], stored["id"]);
    assert_eq!(data["data"]["a"], 1);
    assert!(data.get("sequence").is_none());
}

#[test]
fn a_stream_resumes_by_sequence_by_event_id_and_by_time() {
    let broker = Broker::start("");
    publish_many(&broker, 30);
    assert_eq!(Stream::open(&broker, READER, "", Some("25")).sequences(5), [26, 27, 28, 29, 30]);
    assert_eq!(Stream::open(&broker, READER, "last_event_id=28", None).sequences(2), [29, 30]);
    assert_eq!(Stream::open(&broker, READER, "last_event_id=1", Some("29")).sequences(1), [30]);
    let page = broker.get(READER, "/api/v1/events?limit=10").expect(200);
    let tenth = page["data"][9]["id"].as_str().unwrap();
    assert_eq!(Stream::open(&broker, READER, "type=a.*", Some(tenth)).sequences(3), [11, 13, 14]);
    assert_eq!(Stream::open(&broker, READER, "since=2020-01-01T00:00:00Z", None).sequences(30).len(), 30);
    for bad in ["nonsense", "-1", "18446744073709551616", "evt.x"] {
        assert!(
            Stream::try_open(&broker, READER, "", Some(bad)).unwrap_err().to_string().contains("400"),
            "{bad}"
        );
    }
}

#[test]
fn a_finite_replay_ends_and_the_formats_are_what_they_say() {
    let broker = Broker::start("");
    broker
        .publish(r#"{"type":"pipeline.stage.extract","pipeline":"user-analytics","data":{"rows":1300}}"#)
        .expect(201);
    let mut stream = Stream::open(&broker, READER, "until=2999-01-01T00:00:00Z&format=flat", None);
    let event = stream.event().unwrap();
    let flat: Value = serde_json::from_str(&event.data.unwrap()).unwrap();
    assert_eq!((flat["rows"].as_u64(), flat["pipeline"].as_str()), (Some(1300), Some("user-analytics")));
    assert_eq!(stream.event().unwrap().event, "stream.end");
    assert!(stream.next().is_none());
    let mut stream = Stream::open(&broker, READER, "format=cloudevents", Some("0"));
    let cloud: Value = serde_json::from_str(&stream.event().unwrap().data.unwrap()).unwrap();
    assert_eq!(
        (cloud["specversion"].as_str(), cloud["type"].as_str()),
        (Some("1.0"), Some("pipeline.stage.extract"))
    );
}

#[test]
fn places_that_are_gone_or_ahead_are_told_in_band() {
    let broker = Broker::start("[storage]\nretention = { max_age = \"1s\", max_bytes = \"1GiB\" }\n");
    publish_many(&broker, 5);
    until("the events are trimmed", || broker.get(READER, "/api/v1/events").json()["oldest_cursor"] == "5");
    let mut stream = Stream::open(&broker, READER, "", Some("2"));
    let gap = stream.event().unwrap();
    assert_eq!((gap.event.as_str(), gap.id.as_deref()), ("stream.gap", Some("5")));
    assert_eq!(gap.data.unwrap(), r#"{"reason":"trimmed","missed":3,"oldest":"6"}"#);
    let mut ahead = Stream::open(&broker, READER, "", Some("99"));
    assert_eq!(ahead.event().unwrap().data.unwrap(), r#"{"reason":"ahead","missed":null,"oldest":"6"}"#);
    let mut unknown = Stream::open(&broker, READER, "", Some("evt_unknown"));
    assert_eq!(unknown.event().unwrap().data.unwrap(), r#"{"reason":"unknown","missed":null,"oldest":"6"}"#);
    let refused = Stream::try_open(&broker, READER, "on_gap=fail", Some("2"));
    assert!(refused.unwrap_err().to_string().contains("410"));
    assert_eq!(broker.get(READER, "/api/v1/events?cursor=2").problem(410)["oldest_cursor"], "5");
}

#[test]
fn a_quiet_narrow_stream_is_told_its_place() {
    let broker = Broker::start("[stream]\nkeep_alive = \"300ms\"\n");
    let mut stream = Stream::open(&broker, READER, "type=never", None);
    assert_eq!(stream.next().unwrap().retry, Some(2000));
    publish_many(&broker, 7);
    let mut last = stream.next().unwrap();
    while last.id.as_deref() != Some("7") {
        last = stream.next().unwrap();
    }
    assert_eq!(last.data, None, "no event is dispatched");
}

#[test]
fn a_stop_closes_streams_with_an_event_and_exit_code_zero() {
    let mut broker = Broker::start("");
    let mut stream = Stream::open(&broker, READER, "", None);
    stream.next();
    assert_eq!(broker.terminate(), Some(0));
    let closing = stream.next().unwrap();
    assert_eq!((closing.event.as_str(), closing.data.as_deref()), ("stream.closing", Some("{}")));
    assert!((1000..=5000).contains(&closing.retry.unwrap()));
    assert!(stream.next().is_none());
}

#[test]
fn tickets_open_one_stream_and_a_removed_key_ends_its_streams() {
    let broker = Broker::start("");
    let ticket =
        broker.post(READER, "/api/v1/stream-tickets", "").expect(201)["ticket"].as_str().unwrap().to_owned();
    let query = format!("ticket={ticket}");
    assert!(Stream::try_open(&broker, "", &query, None).is_ok());
    assert!(Stream::try_open(&broker, "", &query, None).unwrap_err().to_string().contains("401"));
    let made = broker.post(ADMIN, "/api/v1/keys", r#"{"name":"x","scopes":["events:read"]}"#).expect(201);
    let key = made["key"].as_str().unwrap();
    let mut stream = Stream::open(&broker, key, "", None);
    stream.next();
    broker.send("DELETE", ADMIN, &format!("/api/v1/keys/{}", made["id"].as_str().unwrap()), "").expect(204);
    assert!(stream.next().is_none(), "the stream ends with its key");
    assert!(Stream::try_open(&broker, key, "", None).is_err());
}

#[test]
fn too_many_streams_are_asked_to_come_back() {
    let broker = Broker::start("[stream]\nmax_clients = 1\n");
    let _first = Stream::open(&broker, READER, "", None);
    let bearer = format!("Bearer {READER}");
    let headers = [("Authorization", bearer.as_str()), ("Accept", "text/event-stream")];
    let second = broker.request("GET", "/api/v1/events/stream", &headers, b"");
    assert_eq!((second.status, second.header("content-type")), (200, Some("text/event-stream")));
    assert!(parse(&second.text()).retry.unwrap() >= 1000);
    broker.get(READER, "/api/v1/events/stream").problem(503);
}

#[test]
fn another_tenant_hears_nothing() {
    let broker = Broker::start("[stream]\nkeep_alive = \"200ms\"\n");
    let mut stream = Stream::open(&broker, OTHER, "", Some("0"));
    publish_many(&broker, 10);
    stream.next();
    loop {
        let block = stream.next().unwrap();
        assert_eq!(block.data, None);
        if block.id.as_deref() == Some("10") {
            break;
        }
    }
}

#[test]
fn a_stream_cut_at_every_byte_and_resumed_is_the_log() {
    let broker = Broker::start("");
    publish_many(&broker, 200);
    // The bytes of the whole stream, as a client gets them.
    let mut whole = Stream::open(&broker, READER, "until=2999-01-01T00:00:00Z", None);
    while whole.next().is_some() {}
    let answer = broker.request(
        "GET",
        "/api/v1/events/stream?until=2999-01-01T00:00:00Z",
        &[("Authorization", &format!("Bearer {READER}"))],
        b"",
    );
    let bytes = answer.body;
    let mut resumes = std::collections::BTreeMap::new();
    for cut in 0..bytes.len() {
        let mut parser = campanile::client::sse::Parser::default();
        let got: Vec<u64> = parser
            .feed(&bytes[..cut])
            .iter()
            .filter(|message| !message.event.starts_with("stream."))
            .map(|message| message.id.parse().unwrap())
            .collect();
        assert_eq!(got, (1..=got.len() as u64).collect::<Vec<_>>(), "cut at {cut}");
        let place = parser.last_id().map_or(0, |id| id.parse::<u64>().unwrap());
        assert_eq!(place, got.len() as u64, "cut at {cut}");
        resumes.insert(place, cut);
    }
    assert_eq!(resumes.len(), 201);
    for (place, cut) in resumes {
        let query = "until=2999-01-01T00:00:00Z";
        let mut rest = Stream::open(&broker, READER, query, Some(&place.to_string()));
        let heard = rest.sequences(200 - place as usize);
        assert_eq!(heard, (place + 1..=200).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(rest.event().unwrap().event, "stream.end");
    }
}

#[test]
fn readers_from_random_places_hear_everything_through_the_handover() {
    let broker = Broker::start("[storage]\ntail_bytes = \"64KiB\"\n");
    publish_many(&broker, 2000);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..40_u64)
            .map(|reader| {
                let broker = &broker;
                scope.spawn(move || {
                    let from = reader * 49;
                    let mut stream = Stream::open(broker, READER, "", Some(&from.to_string()));
                    let heard = stream.sequences(4000 - from as usize);
                    assert_eq!(heard, (from + 1..=4000).collect::<Vec<_>>());
                })
            })
            .collect();
        for _ in 0..20 {
            publish_many(&broker, 100);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_reader_that_reads_nothing_for_a_while_loses_nothing() {
    let broker = Broker::start("[storage]\ntail_bytes = \"64KiB\"\n[stream]\nstall_timeout = \"1h\"\n");
    let mut slow = Stream::open(&broker, READER, "", None);
    let pad = "x".repeat(20_000);
    for n in 0..600 {
        broker.publish(&format!(r#"{{"type":"a","data":{{"n":{n},"pad":"{pad}"}}}}"#)).expect(201);
    }
    assert_eq!(slow.sequences(600), (1..=600).collect::<Vec<_>>());
}
