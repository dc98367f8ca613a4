//! A webhook endpoint that does as it is told, and remembers what it got.

use crate::harness::until;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// What was answered.
    pub status: u16,
}

impl Delivery {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What to answer to the nth request: the whole answer as bytes; none closes the connection.
type Script = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

pub struct Endpoint {
    pub address: SocketAddr,
    pub taken: Arc<Mutex<Vec<Delivery>>>,
}

/// An answer with a status and nothing else.
pub fn status(code: u16) -> Vec<u8> {
    format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

impl Endpoint {
    pub fn start(script: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = crate::ports::listen();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (script, counter): (Script, _) = (Arc::new(script), Arc::new(AtomicU64::new(0)));
        let seen = Arc::clone(&taken);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (script, counter, seen) = (Arc::clone(&script), Arc::clone(&counter), Arc::clone(&seen));
                std::thread::spawn(move || serve(socket, &script, &counter, &seen));
            }
        });
        Self { address, taken }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub fn all(&self) -> Vec<Delivery> {
        self.taken.lock().unwrap().clone()
    }

    pub fn wait_for(&self, count: usize) -> Vec<Delivery> {
        until(&format!("{count} deliveries"), || self.taken.lock().unwrap().len() >= count);
        self.all()
    }
}

fn serve(socket: TcpStream, script: &Script, counter: &AtomicU64, seen: &Mutex<Vec<Delivery>>) {
    let mut writer = socket.try_clone().unwrap();
    let mut reader = BufReader::new(socket);
    while let Some((headers, body)) = read_request(&mut reader) {
        let answer = script(counter.fetch_add(1, Ordering::SeqCst));
        let status =
            std::str::from_utf8(answer.get(9..12).unwrap_or(b"0")).ok().and_then(|text| text.parse().ok());
        seen.lock().unwrap().push(Delivery { headers, body, status: status.unwrap_or(0) });
        if answer.is_empty() || writer.write_all(&answer).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(HashMap<String, String>, Vec<u8>)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}
