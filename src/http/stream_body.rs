//! The bytes of an event stream: a cursor over the log that its socket pulls.
//!
//! There is no queue: a slow reader is only further behind, and is served from the log at its own pace with one
//! chunk in memory. Readers of a worker that are at the same place with the same filter share each joined chunk,
//! so that a batch is encoded and copied once and not once a reader. `actix_web_lab::sse` encodes for each
//! client and knows no id-only block; this writes shared bytes itself.

use super::App;
use super::auth::Caller;
use super::stream::OpenStream;
use crate::clock;
use crate::delivery::stream::{
    Gap, OPENING, StreamFormat, checkpoint_block, closing_block, end_block, gap_block, push_event,
};
use crate::log::{Bounds, LogError, Order, Query};
use crate::model::{EventFilter, Sequence, StoredEvent, TenantId, UnixMillis};
use actix_web::web;
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A chunk joins at most this many events, and `stream.client_buffer` bytes.
const CHUNK_EVENTS: usize = 512;

/// How often a paced replay may have to wait for one event.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How fast a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as it is read.
    Max,
    /// This many times as fast as it happened.
    Times(u32),
}

/// What a stream is opened with.
pub(super) struct StreamSetup {
    pub(super) caller: Caller,
    pub(super) filter: EventFilter,
    pub(super) format: StreamFormat,
    pub(super) place: Sequence,
    pub(super) gap: Option<Gap>,
    /// A finite replay ends here.
    pub(super) ends_at: Option<Sequence>,
    pub(super) pace: Pace,
}

/// One open stream.
pub(super) struct StreamBody {
    app: web::Data<App>,
    _open: OpenStream,
    caller: Caller,
    wanted: Rc<Wanted>,
    place: Sequence,
    gap: Option<Gap>,
    ends_at: Option<Sequence>,
    pace: Pace,
    /// The event before, and when it was written: what a paced replay counts from.
    paced: Option<(UnixMillis, UnixMillis)>,
    opened: bool,
    ended: bool,
    /// The place that the last bytes told.
    told: Sequence,
    bounds: watch::Receiver<Bounds>,
    draining: watch::Receiver<bool>,
    management: watch::Receiver<u64>,
}

/// What decides the bytes of a chunk.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    tenant: TenantId,
    filter: EventFilter,
    format: StreamFormat,
}

impl StreamBody {
    pub(super) fn new(app: web::Data<App>, open: OpenStream, setup: StreamSetup) -> Self {
        let log = app.broker.log();
        let (bounds, management) = (log.bounds(), log.management_changed());
        let draining = app.broker.draining();
        let StreamSetup { caller, filter, format, place, gap, ends_at, pace } = setup;
        let wanted = Wanted { tenant: caller.tenant(), filter, format };
        Self {
            app,
            _open: open,
            caller,
            wanted: shared_wanted(wanted),
            place,
            gap,
            ends_at,
            pace,
            paced: None,
            opened: false,
            ended: false,
            told: place,
            bounds,
            draining,
            management,
        }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, |mut body| async move {
            let bytes = body.next().await?;
            Some((Ok(bytes), body))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if !self.opened {
            self.opened = true;
            return Some(Bytes::from_static(OPENING));
        }
        loop {
            if self.ended || !self.may_go_on() {
                return None;
            }
            if *self.draining.borrow_and_update() {
                self.ended = true;
                return Some(closing_block(clock::random_unit()).into());
            }
            let bounds = *self.bounds.borrow_and_update();
            if let Some(gap) = self.gap.take() {
                self.told = self.place;
                return Some(gap_block(gap, self.place, bounds.oldest).into());
            }
            if let Some(end) = self.ends_at
                && self.place >= end
            {
                self.ended = true;
                return Some(end_block(self.place).into());
            }
            if self.place < self.ends_at.unwrap_or(bounds.head) {
                let chunk = self.read_on(bounds).await;
                if !chunk.is_empty() {
                    self.told = self.place;
                    return Some(chunk);
                }
                continue;
            }
            if self.wait().await {
                self.told = self.place;
                return Some(checkpoint_block(self.place).into());
            }
        }
    }

    /// Whether the key is still good; checked before every write and whenever keys change.
    fn may_go_on(&mut self) -> bool {
        let expired = self.caller.key.expires_at.is_some_and(|at| at <= clock::now().into());
        if expired {
            return false;
        }
        if self.management.has_changed().unwrap_or(false) {
            self.management.borrow_and_update();
            return Caller::by_id(&self.app, self.caller.key.id).is_some();
        }
        true
    }

    /// Waits for something to do; true when a checkpoint is due instead.
    async fn wait(&mut self) -> bool {
        let keep_alive = self.app.broker.config().stream.keep_alive;
        let until_expiry = self.caller.key.expires_at.map(|at| {
            let millis = at.as_micros() / 1000 - clock::now().0 + 1;
            Duration::from_millis(u64::try_from(millis).unwrap_or(0))
        });
        tokio::select! {
            _ = self.bounds.changed() => false,
            _ = self.draining.changed() => false,
            _ = self.management.changed() => {
                self.management.mark_changed();
                false
            }
            () = tokio::time::sleep(keep_alive.min(until_expiry.unwrap_or(keep_alive))) => {
                until_expiry.is_none_or(|until| until > keep_alive)
            }
        }
    }

    /// The next chunk after the place; empty when nothing in it matched. The place has moved.
    async fn read_on(&mut self, bounds: Bounds) -> Bytes {
        let up_to = self.ends_at.unwrap_or(bounds.head);
        if let Pace::Times(times) = self.pace {
            return self.read_paced(up_to, times).await;
        }
        if self.ends_at.is_none()
            && let Some((chunk, place)) = shared_chunk(&self.app, &self.wanted, self.place)
        {
            self.place = place;
            return chunk;
        }
        match self.page(up_to, CHUNK_EVENTS).await {
            Ok((events, scanned_to)) => {
                self.place = scanned_to;
                join(&events, self.wanted.format)
            }
            Err(error) => self.stumble(&error),
        }
    }

    async fn page(
        &self,
        up_to: Sequence,
        limit: usize,
    ) -> Result<(Vec<Arc<StoredEvent>>, Sequence), LogError> {
        let query = Query {
            tenant: self.wanted.tenant,
            filter: self.wanted.filter.clone(),
            from: self.place,
            up_to,
            order: Order::Ascending,
            limit,
            max_bytes: self.app.broker.config().stream.client_buffer,
        };
        let page = self.app.broker.log().read(query).await?;
        Ok((page.events, page.scanned_to))
    }

    async fn read_paced(&mut self, up_to: Sequence, times: u32) -> Bytes {
        let (events, scanned_to) = match self.page(up_to, 1).await {
            Ok(read) => read,
            Err(error) => return self.stumble(&error),
        };
        let Some(event) = events.first() else {
            self.place = scanned_to;
            return Bytes::new();
        };
        let happened = UnixMillis(event.timestamp().as_micros() / 1000);
        if let Some((before, written)) = self.paced {
            let pause = Duration::from_millis(happened.since(before)) / times;
            let passed = Duration::from_millis(clock::now().since(written));
            let mut draining = self.draining.clone();
            tokio::select! {
                () = tokio::time::sleep(pause.saturating_sub(passed).min(LONGEST_PAUSE)) => {}
                _ = draining.wait_for(|draining| *draining) => return Bytes::new(),
            }
        }
        self.paced = Some((happened, clock::now()));
        self.place = event.sequence();
        join(&events, self.wanted.format)
    }

    /// What a failed read means: a gap, an event that cannot be read, or the end.
    fn stumble(&mut self, error: &LogError) -> Bytes {
        match error {
            LogError::Trimmed { oldest, missed } => {
                self.place = oldest.previous();
                self.gap = Some(Gap::Trimmed { missed: *missed });
            }
            LogError::Corrupt { sequence } => {
                self.place = *sequence;
                self.gap = Some(Gap::Unknown);
            }
            // The client comes back and resumes.
            _ => self.ended = true,
        }
        Bytes::new()
    }
}

fn join(events: &[Arc<StoredEvent>], format: StreamFormat) -> Bytes {
    if let ([only], StreamFormat::Envelope) = (events, format) {
        return only.sse_frame();
    }
    let mut out = Vec::with_capacity(events.iter().map(|event| event.sse_frame().len()).sum());
    for event in events {
        push_event(event, format, &mut out);
    }
    out.into()
}

thread_local! {
    /// The filters of this worker's streams, so that equal ones are the same.
    static FILTERS: RefCell<Vec<std::rc::Weak<Wanted>>> = const { RefCell::new(Vec::new()) };
    /// The newest chunks of this worker: filter, from, to, bytes.
    static CHUNKS: RefCell<Vec<CachedChunk>> = const { RefCell::new(Vec::new()) };
}

struct CachedChunk {
    wanted: Rc<Wanted>,
    from: Sequence,
    to: Sequence,
    bytes: Bytes,
}

/// How many chunks a worker remembers: as many filters as are likely to be at the head at once.
const CACHED_CHUNKS: usize = 64;

fn shared_wanted(wanted: Wanted) -> Rc<Wanted> {
    FILTERS.with_borrow_mut(|filters| {
        if let Some(known) = filters.iter().filter_map(std::rc::Weak::upgrade).find(|known| **known == wanted)
        {
            return known;
        }
        filters.retain(|filter| filter.strong_count() > 0);
        let wanted = Rc::new(wanted);
        filters.push(Rc::downgrade(&wanted));
        wanted
    })
}

/// The chunk after a place near the head, joined once for all streams of this worker that want the same. `None`
/// when the place is not in memory any more.
fn shared_chunk(app: &App, wanted: &Rc<Wanted>, from: Sequence) -> Option<(Bytes, Sequence)> {
    let cached = CHUNKS.with_borrow(|chunks| {
        let same = |chunk: &&CachedChunk| chunk.from == from && Rc::ptr_eq(&chunk.wanted, wanted);
        chunks.iter().rev().find(same).map(|chunk| (chunk.bytes.clone(), chunk.to))
    });
    if cached.is_some() {
        return cached;
    }
    let events = app.broker.log().recent(from, CHUNK_EVENTS)?;
    let most_bytes = app.broker.config().stream.client_buffer;
    let mut to = from;
    let mut bytes = 0;
    let mut matching = Vec::new();
    for event in events {
        if bytes >= most_bytes {
            break;
        }
        to = event.sequence();
        if event.tenant() == wanted.tenant && wanted.filter.matches(&event) {
            bytes += event.sse_frame().len();
            matching.push(event);
        }
    }
    if to == from {
        return None;
    }
    let chunk = join(&matching, wanted.format);
    CHUNKS.with_borrow_mut(|chunks| {
        if chunks.len() >= CACHED_CHUNKS {
            chunks.remove(0);
        }
        chunks.push(CachedChunk { wanted: Rc::clone(wanted), from, to, bytes: chunk.clone() });
    });
    Some((chunk, to))
}
