//! What is put back is sent, whatever becomes of whoever asked for it.

use crate::broker::{Broker, Event};
use crate::clock;
use crate::config::Config;
use crate::model::Requeue;
use futures_util::FutureExt;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(60);

/// Takes one delivery.
fn take(mut socket: TcpStream) -> std::io::Result<()> {
    let (mut reader, mut length) = (BufReader::new(socket.try_clone()?), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    socket.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
}

/// An endpoint that tells of each delivery.
fn endpoint() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, taken) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            if take(socket).is_ok() && sender.send(()).is_err() {
                return;
            }
        }
    });
    (url, taken)
}

#[tokio::test]
async fn what_is_put_back_is_sent_though_whoever_asked_has_hung_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.storage.path = folder.path().to_owned();
    config.storage.min_free = 0;
    config.delivery.allow_http = true;
    config.delivery.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let broker = Broker::open(config).unwrap();
    let (url, mut taken) = endpoint();
    let body = json!({"url": url, "verification": "none"}).as_object().unwrap().clone();
    let made = broker.create_destination(broker.default_tenant(), body).await.unwrap().destination;
    let event = broker.publish(Event::new("a")).await.unwrap();
    tokio::time::timeout(PATIENCE, taken.recv()).await.unwrap();
    while broker.log().consumer(made.id).is_none_or(|kept| kept.place < event.sequence()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let deliveries = vec![(event.sequence(), 1)];
    let requeue = Requeue { destination: made.id, deliveries, due: clock::steady(), replay: None };
    // Asked, and not waited for.
    assert!(broker.requeue(requeue).now_or_never().is_none());
    let again = tokio::time::timeout(PATIENCE, taken.recv()).await;
    assert_eq!(again, Ok(Some(())), "it is durable that it is sent again");
    broker.shutdown().await;
}
