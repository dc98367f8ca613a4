//! The bare limit of durable HTTP ingest: actix-web, a borrowed parse, group commit into one plain redb table.
//!
//! No ids, no checks, no index, no event told to anybody: what any broker built of these parts could reach at most.

use crate::child;
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use redb::{Database, Durability, TableDefinition};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");

/// Where it keeps its table.
#[derive(Debug, Deserialize)]
struct Settings {
    file: PathBuf,
}

/// A running bare server, seen from the parent.
pub(crate) struct BareServer {
    process: child::Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl BareServer {
    /// Starts one with an empty table.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in(crate::report::target_folder()).expect("a folder can be made");
        let settings = serde_json::json!({ "file": folder.path().join("bare.redb") });
        let mut process = child::Process::start("bare-server", &settings);
        Self { address: process.next(), process, _folder: folder }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

struct Commit {
    rows: Vec<Bytes>,
    done: oneshot::Sender<u64>,
}

/// One draft, borrowed from the request.
#[derive(Deserialize)]
struct Draft<'a> {
    #[serde(borrow, rename = "type")]
    _event_type: &'a str,
    #[serde(borrow, rename = "data")]
    _data: &'a RawValue,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// The `bare-server` role.
pub(crate) fn serve(settings: &str) {
    let settings: Settings = child::settings(settings);
    let (queue, commits) = mpsc::channel(16_384);
    std::thread::spawn(move || write_groups(&settings.file, commits));
    let served = actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(queue.clone()))
                .app_data(web::PayloadConfig::new(1 << 20))
                .route("/api/v1/events", web::post().to(one))
                .route("/api/v1/events/batch", web::post().to(many))
                .route("/idle", web::get().to(idle))
        })
        .workers(2)
        .disable_signals()
        .bind("127.0.0.1:0")?;
        child::answer(&server.addrs()[0]);
        server.run().await
    });
    served.expect("the bare server runs");
}

fn write_groups(file: &Path, mut commits: mpsc::Receiver<Commit>) {
    let database = Database::builder().set_cache_size(64 << 20).create(file).expect("redb opens");
    let mut group = Vec::new();
    let mut next = 0_u64;
    while commits.blocking_recv_many(&mut group, 4096) > 0 {
        write_group(&database, &group, &mut next).expect("redb writes");
        for commit in group.drain(..) {
            let _ = commit.done.send(next);
        }
    }
}

fn write_group(database: &Database, group: &[Commit], next: &mut u64) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut table = transaction.open_table(EVENTS)?;
        for row in group.iter().flat_map(|commit| &commit.rows) {
            *next += 1;
            table.insert(*next, row.as_ref())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

type Queue = web::Data<mpsc::Sender<Commit>>;

async fn one(queue: Queue, body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<Draft<'_>>(&body) {
        Ok(_) => commit(&queue, vec![body]).await,
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

async fn many(queue: Queue, body: Bytes) -> HttpResponse {
    match rows(&body) {
        Ok(rows) => commit(&queue, rows).await,
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

/// The rows of a batch, each a piece of the request's own bytes.
fn rows(body: &Bytes) -> serde_json::Result<Vec<Bytes>> {
    let texts: Vec<&[u8]> = if body.starts_with(b"{\"events\"") {
        let batch: Batch<'_> = serde_json::from_slice(body)?;
        batch.events.into_iter().map(|raw| raw.get().as_bytes()).collect()
    } else {
        body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
    };
    let row = |text: &[u8]| serde_json::from_slice::<Draft<'_>>(text).map(|_| body.slice_ref(text));
    texts.into_iter().map(row).collect()
}

async fn commit(queue: &Queue, rows: Vec<Bytes>) -> HttpResponse {
    let (done, committed) = oneshot::channel();
    if queue.send(Commit { rows, done }).await.is_err() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    match committed.await {
        Ok(sequence) => {
            let mut body = Vec::with_capacity(32);
            let _ = write!(body, r#"{{"sequence":{sequence}}}"#);
            HttpResponse::Created().content_type("application/json").body(body)
        }
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// A stream on which nothing happens: what a connection costs actix-web by itself.
async fn idle() -> HttpResponse {
    use futures_util::StreamExt;
    let first = futures_util::stream::once(async { Ok::<_, actix_web::Error>(Bytes::from_static(b":\n\n")) });
    let body = first.chain(futures_util::stream::pending());
    HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(body))
}
