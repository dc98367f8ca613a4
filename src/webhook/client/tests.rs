//! What becomes of connections between requests.

use super::*;
use crate::protocol::tls::tls_config;
use crate::webhook::target::Endpoint;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// An endpoint that tells of each connection, once the client has closed it, how many requests it answered on it.
struct Server {
    url: String,
    closed: mpsc::UnboundedReceiver<usize>,
}

fn read_request(reader: &mut impl BufRead) -> bool {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            return reader.read_exact(&mut vec![0; length]).is_ok();
        }
    }
}

/// Answers each request with `pieces`, a pause before each.
fn serve(mut socket: TcpStream, pieces: &[(u64, &str)], closed: &mpsc::UnboundedSender<usize>) {
    let (mut reader, mut answered) = (BufReader::new(socket.try_clone().unwrap()), 0);
    while read_request(&mut reader) {
        for (pause_ms, piece) in pieces {
            std::thread::sleep(Duration::from_millis(*pause_ms));
            socket.write_all(piece.as_bytes()).unwrap();
        }
        answered += 1;
    }
    let _ = closed.send(answered);
}

fn server(pieces: &'static [(u64, &'static str)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, closed) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || serve(socket, pieces, &sender));
        }
    });
    Server { url, closed }
}

fn client() -> WebhookClient {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    let config = DeliveryConfig { allow_http: true, allow_networks: networks, ..DeliveryConfig::default() };
    WebhookClient::new(&config, tls_config(None).unwrap())
}

fn to(server: &Server) -> Outgoing {
    let to = Arc::new(Endpoint::of(&server.url));
    Outgoing { to, headers: Vec::new(), body: Bytes::from_static(b"{}"), timeout: PATIENCE }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[actix_rt::test]
async fn a_connection_that_nobody_uses_again_is_closed() {
    let (client, mut server) = (client(), server(&[(0, OK)]));
    for _ in 0..2 {
        assert_eq!(client.send(to(&server)).await.failure(), None);
    }
    // On a busy machine the second may have needed a connection of its own.
    let mut answered = 0;
    while answered < 2 {
        let closed = tokio::time::timeout(PATIENCE, server.closed.recv()).await;
        answered += closed.expect("none stays open").unwrap();
    }
}

#[actix_rt::test]
async fn an_answer_may_take_longer_than_a_silent_connection_is_kept() {
    let pause = KEEP_ALIVE.as_millis() as u64 * 3 / 2;
    let pieces = [(pause, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), (pause, "cd")];
    let (client, mut server) = (client(), server(pieces.to_vec().leak()));
    let answer = client.call(to(&server), 100).await.result.unwrap();
    assert_eq!(&answer.body[..], b"abcd");
    assert!(server.closed.try_recv().is_err(), "it is kept for a while");
    assert_eq!(server.closed.recv().await, Some(1));
}

#[actix_rt::test]
async fn what_the_library_keeps_is_given_up_once_it_is_much_of_nothing() {
    let (client, mut server) = (client(), server(&[(0, OK)]));
    assert_eq!(client.send(to(&server)).await.failure(), None);
    client.0.closed.set(MOST_CLOSED);
    assert_eq!(client.send(to(&server)).await.failure(), None);
    assert!(client.0.closed.get() < MOST_CLOSED);
    assert_eq!(server.closed.recv().await, Some(1), "the connection of the one before is not used again");
}
