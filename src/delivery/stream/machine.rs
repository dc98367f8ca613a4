//! The machine of one event stream: when it reads, when it takes what the hub offers, what it says itself, when
//! it ends.
//!
//! ```text
//!            place == head                        buffer full, or a hole
//!  catching up ──────────────▶ live ────────────────────────────────────▶ catching up
//!    reads pages at the socket's pace   takes what is offered, joined once for all
//!
//!  either ── drained, key ended, replay through, peer gone ──▶ ended
//! ```
//!
//! What must hold:
//! - Everything matching up to `place` is queued, in order and once; nothing after it is.
//! - A checkpoint names `place` and nothing beyond it.
//! - At most one read is under way, and none while much is queued: a slow client costs one page.

use super::Gap;
use super::blocks::Block;
use crate::model::Sequence;

#[cfg(test)]
mod model_tests;
mod pace;
#[cfg(test)]
mod tests;
mod words;

pub use pace::Pace;
pub use words::{Action, Failure, Input, Offer, Opening, Settings};

use pace::Paced;

/// Milliseconds on a clock that only goes forward.
pub type Moment = u64;

/// How long to wait before a read that failed is tried again, and how often in a row.
const READ_AGAIN_MS: u64 = 500;
const MOST_READ_FAILURES: u8 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    CatchingUp { reading: bool },
    Live,
    Ended,
}

/// One event stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamMachine {
    settings: Settings,
    mode: Mode,
    place: Sequence,
    head: Sequence,
    oldest: Sequence,
    ends_at: Option<Sequence>,
    fails_on_gap: bool,
    key_ends_at: Option<Moment>,
    paced: Paced,
    /// About how many bytes wait for the socket.
    pending: usize,
    /// When bytes were last queued.
    written: Moment,
    /// When the socket last took bytes, or had none to take.
    progress: Moment,
    read_again_at: Option<Moment>,
    read_failures: u8,
    /// The earliest moment that was asked for and has not come.
    wake_at: Option<Moment>,
}

impl StreamMachine {
    /// A stream that has written its opening bytes.
    pub fn open(opening: Opening, settings: Settings, now: Moment, actions: &mut Vec<Action>) -> Self {
        let mut machine = Self {
            settings,
            mode: Mode::CatchingUp { reading: false },
            place: opening.place,
            head: opening.head,
            oldest: opening.oldest,
            ends_at: opening.ends_at,
            fails_on_gap: opening.fails_on_gap,
            key_ends_at: opening.key_ends_at,
            paced: Paced::new(opening.pace),
            pending: 0,
            written: now,
            progress: now,
            read_again_at: None,
            read_failures: 0,
            wake_at: None,
        };
        if let Some(gap) = opening.gap {
            machine.tell_gap(gap, now, actions);
        }
        machine.go_on(now, actions);
        machine
    }

    /// The only door.
    pub fn handle(&mut self, input: Input, now: Moment, actions: &mut Vec<Action>) {
        if self.mode == Mode::Ended {
            return;
        }
        if self.key_is_over(now) {
            return self.cut(actions);
        }
        match input {
            Input::Offered(offer) => self.offered(offer, now, actions),
            Input::HeadMoved(head) => self.head_moved(head),
            Input::PageRead { scanned_to, bytes, happened } => {
                self.page_read(scanned_to, bytes, happened, now, actions);
            }
            Input::ReadFailed(failure) => self.read_failed(failure, now, actions),
            Input::Taken { left } => (self.pending, self.progress) = (left, now),
            Input::ClockReached => self.wake_at = self.wake_at.filter(|at| *at > now),
            Input::Draining => {
                self.write(Block::Closing, now, actions);
                self.end(actions);
            }
            Input::KeyExpires(at) => self.key_ends_at = at,
            Input::KeyEnded => self.cut(actions),
        }
        self.go_on(now, actions);
        self.check();
    }

    /// Whether it has ended: nothing will be written any more.
    pub fn has_ended(&self) -> bool {
        self.mode == Mode::Ended
    }

    /// Whether it takes what is offered.
    pub fn is_live(&self) -> bool {
        self.mode == Mode::Live
    }

    /// Everything matching up to here is queued.
    pub fn place(&self) -> Sequence {
        self.place
    }

    fn offered(&mut self, offer: Offer, now: Moment, actions: &mut Vec<Action>) {
        self.head = self.head.max(offer.to);
        if self.mode != Mode::Live {
            return;
        }
        let follows = offer.from <= self.place && self.place < offer.first;
        let fits = self.pending == 0 || self.pending + offer.bytes <= self.settings.client_buffer;
        if follows && (fits || offer.bytes == 0) {
            self.place = self.place.max(offer.to);
            if offer.bytes > 0 {
                self.queue(Action::Queue, offer.bytes, now, actions);
            }
        } else if self.place < offer.to {
            self.mode = Mode::CatchingUp { reading: false };
        }
    }

    fn head_moved(&mut self, head: Sequence) {
        self.head = self.head.max(head);
        if self.mode == Mode::Live && self.place < self.head {
            self.mode = Mode::CatchingUp { reading: false };
        }
    }

    fn page_read(
        &mut self,
        to: Sequence,
        bytes: usize,
        happened: Option<i64>,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        if self.mode != (Mode::CatchingUp { reading: true }) || to <= self.place {
            return self.read_failed(Failure::Passing, now, actions);
        }
        self.mode = Mode::CatchingUp { reading: false };
        self.read_failures = 0;
        if bytes > 0 && self.paced.must_wait(to, bytes, happened, now) {
            return actions.push(Action::Hold);
        }
        self.place = to;
        if bytes > 0 {
            self.queue(Action::Queue, bytes, now, actions);
        }
    }

    fn read_failed(&mut self, failure: Failure, now: Moment, actions: &mut Vec<Action>) {
        if let Mode::CatchingUp { reading } = &mut self.mode {
            *reading = false;
        }
        match failure {
            Failure::Trimmed { oldest, missed } => {
                self.oldest = self.oldest.max(oldest);
                // The client keeps its place when the gap ends the stream: it is asked again, and told again.
                if !self.fails_on_gap {
                    self.place = self.place.max(oldest.previous());
                }
                self.tell_gap(Gap::Trimmed { missed }, now, actions);
            }
            Failure::Corrupt(sequence) => {
                if !self.fails_on_gap {
                    self.place = self.place.max(sequence);
                }
                self.tell_gap(Gap::Unknown, now, actions);
            }
            Failure::Passing if self.read_failures < MOST_READ_FAILURES => {
                self.read_failures += 1;
                self.read_again_at = Some(now + READ_AGAIN_MS);
            }
            // The client comes back and resumes.
            Failure::Passing | Failure::Closed => self.end(actions),
        }
    }

    fn tell_gap(&mut self, gap: Gap, now: Moment, actions: &mut Vec<Action>) {
        let place = (!self.fails_on_gap).then_some(self.place);
        self.write(Block::Gap { gap, oldest: self.oldest, place }, now, actions);
        if self.fails_on_gap {
            self.end(actions);
        }
    }

    /// Does what is due now that the input is taken in.
    fn go_on(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.mode == Mode::Ended {
            return;
        }
        let stalls = self.pending > 0 && now >= self.progress + self.settings.stall_ms;
        if stalls || self.key_is_over(now) {
            return self.cut(actions);
        }
        if let Some((to, bytes)) = self.paced.release(now) {
            self.place = to;
            self.queue(Action::Release, bytes, now, actions);
        }
        self.read_on(now, actions);
        if self.mode != Mode::Ended && self.pending == 0 && now >= self.written + self.settings.keep_alive_ms
        {
            self.write(Block::Checkpoint(self.place), now, actions);
        }
        self.ask_to_be_woken(actions);
    }

    /// Reads, is live, or is through.
    fn read_on(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.mode != (Mode::CatchingUp { reading: false }) || self.paced.is_waiting() {
            return;
        }
        let up_to = self.ends_at.unwrap_or(self.head);
        if self.place >= up_to {
            if self.ends_at.is_some() {
                self.write(Block::End(self.place), now, actions);
                self.end(actions);
            } else {
                self.mode = Mode::Live;
            }
            return;
        }
        let pauses = self.read_again_at.is_some_and(|at| now < at);
        if self.pending <= self.settings.low_water() && !pauses {
            self.read_again_at = None;
            self.mode = Mode::CatchingUp { reading: true };
            actions.push(Action::Read { after: self.place, up_to, one: self.paced.is_slow() });
        }
    }

    fn ask_to_be_woken(&mut self, actions: &mut Vec<Action>) {
        if self.mode == Mode::Ended {
            return;
        }
        let silence = if self.pending > 0 {
            self.progress + self.settings.stall_ms
        } else {
            self.written + self.settings.keep_alive_ms
        };
        let others = [self.key_ends_at, self.paced.due(), self.read_again_at];
        let due = others.into_iter().flatten().fold(silence, Moment::min);
        if self.wake_at.is_none_or(|at| due < at) {
            self.wake_at = Some(due);
            actions.push(Action::WakeAt(due));
        }
    }

    fn queue(&mut self, action: Action, bytes: usize, now: Moment, actions: &mut Vec<Action>) {
        if self.pending == 0 {
            self.progress = now;
        }
        self.pending += bytes;
        self.written = now;
        actions.push(action);
    }

    fn write(&mut self, block: Block, now: Moment, actions: &mut Vec<Action>) {
        self.queue(Action::Write(block), Block::MOST_BYTES, now, actions);
    }

    fn end(&mut self, actions: &mut Vec<Action>) {
        self.mode = Mode::Ended;
        actions.push(Action::End);
    }

    fn cut(&mut self, actions: &mut Vec<Action>) {
        self.mode = Mode::Ended;
        actions.push(Action::Cut);
    }

    fn key_is_over(&self, now: Moment) -> bool {
        self.key_ends_at.is_some_and(|at| at <= now)
    }

    fn check(&self) {
        debug_assert!(self.mode != Mode::Live || self.ends_at.is_none(), "a finite replay is never live");
        debug_assert!(self.mode != Mode::Live || !self.paced.is_waiting(), "nothing is held while live");
    }
}
