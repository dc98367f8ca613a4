//! The machine as tables: what happened, and what it orders.

use super::*;
use Action::{Cut, End, Hold, Queue, Read, Release, WakeAt, Write};

const SETTINGS: Settings = Settings { keep_alive_ms: 15_000, client_buffer: 4000, stall_ms: 120_000 };

fn opening(place: u64, head: u64) -> Opening {
    Opening {
        place: Sequence(place),
        gap: None,
        oldest: Sequence(1),
        head: Sequence(head),
        ends_at: None,
        pace: Pace::Max,
        fails_on_gap: false,
        key_ends_at: None,
    }
}

/// A machine with what it ordered last.
struct Stream {
    machine: StreamMachine,
    actions: Vec<Action>,
}

impl Stream {
    fn open(opening: Opening) -> Self {
        let mut actions = Vec::new();
        let machine = StreamMachine::open(opening, SETTINGS, 0, &mut actions);
        Self { machine, actions }
    }

    fn live(head: u64) -> Self {
        let mut stream = Self::open(opening(head, head));
        assert_eq!(stream.take(), [WakeAt(15_000)]);
        stream
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    #[track_caller]
    fn step(&mut self, now: Moment, input: Input, expected: &[Action]) {
        self.machine.handle(input, now, &mut self.actions);
        assert_eq!(self.take(), expected, "{input:?} at {now}");
    }
}

fn offer(from: u64, first: u64, to: u64, bytes: usize) -> Input {
    Input::Offered(Offer { from: Sequence(from), first: Sequence(first), to: Sequence(to), bytes })
}

fn page(to: u64, bytes: usize) -> Input {
    Input::PageRead { scanned_to: Sequence(to), bytes, happened: None }
}

fn happened(to: u64, at: i64) -> Input {
    Input::PageRead { scanned_to: Sequence(to), bytes: 100, happened: Some(at) }
}

fn read(after: u64, up_to: u64) -> Action {
    Read { after: Sequence(after), up_to: Sequence(up_to), one: false }
}

fn read_one(after: u64, up_to: u64) -> Action {
    Read { after: Sequence(after), up_to: Sequence(up_to), one: true }
}

fn checkpoint(place: u64) -> Action {
    Write(Block::Checkpoint(Sequence(place)))
}

#[test]
fn a_live_stream_takes_what_is_offered() {
    let mut stream = Stream::live(10);
    stream.step(1, offer(10, 11, 12, 300), &[Queue]);
    stream.step(2, offer(12, 15, 15, 300), &[Queue]);
    assert_eq!(stream.machine.place(), Sequence(15));
}

#[test]
fn a_stream_behind_the_head_reads_pages_and_is_then_live() {
    let mut stream = Stream::open(opening(3, 10));
    assert_eq!(stream.take(), [read(3, 10), WakeAt(15_000)]);
    stream.step(1, offer(10, 11, 11, 300), &[]);
    stream.step(2, page(7, 500), &[Queue, read(7, 11)]);
    assert!(!stream.machine.is_live());
    stream.step(3, page(11, 0), &[]);
    assert!(stream.machine.is_live());
    stream.step(4, offer(11, 12, 12, 300), &[Queue]);
}

#[test]
fn a_full_buffer_sends_a_stream_back_to_the_log_until_its_socket_took_enough() {
    let mut stream = Stream::live(10);
    stream.step(1, offer(10, 11, 11, 3600), &[Queue]);
    stream.step(2, offer(11, 12, 12, 800), &[]);
    assert!(!stream.machine.is_live());
    stream.step(3, Input::Taken { left: 0 }, &[read(11, 12)]);
    stream.step(4, page(12, 2800), &[Queue]);
    stream.step(5, offer(12, 13, 20, 1600), &[]);
    stream.step(6, Input::Taken { left: 1001 }, &[]);
    stream.step(7, Input::Taken { left: 1000 }, &[read(12, 20)]);
    stream.step(8, page(20, 100), &[Queue]);
    assert!(stream.machine.is_live());
}

#[test]
fn one_event_larger_than_the_buffer_is_taken_when_nothing_waits() {
    let mut stream = Stream::live(10);
    stream.step(1, offer(10, 11, 11, 5000), &[Queue]);
    assert!(stream.machine.is_live());
}

#[test]
fn a_hole_or_an_overlap_in_what_is_offered_is_read_from_the_log() {
    for (from, first, to) in [(11, 12, 12), (9, 10, 12)] {
        let mut stream = Stream::live(10);
        stream.step(1, offer(from, first, to, 100), &[read(10, to)]);
    }
    let mut stream = Stream::live(10);
    stream.step(1, Input::HeadMoved(Sequence(14)), &[read(10, 14)]);
    // What it has already is no hole.
    let mut stream = Stream::live(10);
    stream.step(1, offer(3, 4, 9, 100), &[]);
    assert!(stream.machine.is_live());
}

#[test]
fn silence_is_broken_by_the_place_and_only_by_the_place() {
    let mut stream = Stream::live(10);
    stream.step(14_999, Input::ClockReached, &[]);
    stream.step(15_000, offer(10, 13, 12, 0), &[checkpoint(12)]);
    stream.step(15_000, Input::ClockReached, &[WakeAt(135_000)]);
    stream.step(15_001, Input::Taken { left: 0 }, &[WakeAt(30_000)]);
    stream.step(20_000, offer(12, 13, 13, 10), &[Queue]);
    stream.step(20_001, Input::Taken { left: 0 }, &[]);
    stream.step(30_000, Input::ClockReached, &[WakeAt(35_000)]);
    stream.step(35_000, Input::ClockReached, &[checkpoint(13), WakeAt(155_000)]);
}

#[test]
fn a_long_read_without_a_match_is_no_silence() {
    let mut stream = Stream::open(opening(0, 1_000_000));
    stream.take();
    stream.step(9_000, page(500_000, 0), &[read(500_000, 1_000_000)]);
    stream.step(15_000, Input::ClockReached, &[checkpoint(500_000), WakeAt(135_000)]);
}

#[test]
fn a_socket_that_takes_nothing_is_cut_and_one_that_takes_a_little_is_not() {
    let mut stream = Stream::live(10);
    stream.step(0, offer(10, 11, 11, 900), &[Queue]);
    stream.step(15_000, Input::ClockReached, &[WakeAt(120_000)]);
    stream.step(119_999, Input::Taken { left: 899 }, &[]);
    stream.step(120_000, Input::ClockReached, &[WakeAt(239_999)]);
    stream.step(239_999, Input::ClockReached, &[Cut]);
    stream.step(240_000, offer(11, 12, 12, 1), &[]);
}

#[test]
fn places_that_are_gone_are_told_once_and_the_stream_goes_on_from_the_oldest() {
    let gap = |gap, oldest, place| {
        Write(Block::Gap { gap, oldest: Sequence(oldest), place: Some(Sequence(place)) })
    };
    let mut stream = Stream::open(Opening { gap: Some(Gap::Unknown), ..opening(0, 10) });
    assert_eq!(stream.take(), [gap(Gap::Unknown, 1, 0), read(0, 10), WakeAt(120_000)]);
    stream.step(1, page(3, 10), &[Queue, read(3, 10)]);
    let trimmed = Failure::Trimmed { oldest: Sequence(8), missed: 4 };
    stream.step(2, Input::ReadFailed(trimmed), &[gap(Gap::Trimmed { missed: 4 }, 8, 7), read(7, 10)]);
    let corrupt = Failure::Corrupt(Sequence(9));
    stream.step(3, Input::ReadFailed(corrupt), &[gap(Gap::Unknown, 8, 9), read(9, 10)]);
    stream.step(4, page(10, 0), &[]);
    assert!(stream.machine.is_live());
}

#[test]
fn a_gap_ends_a_stream_that_must_not_have_one_and_leaves_the_client_its_place() {
    let mut stream = Stream::open(Opening { fails_on_gap: true, ..opening(3, 10) });
    stream.take();
    let gap = Write(Block::Gap { gap: Gap::Trimmed { missed: 4 }, oldest: Sequence(8), place: None });
    let trimmed = Failure::Trimmed { oldest: Sequence(8), missed: 4 };
    stream.step(2, Input::ReadFailed(trimmed), &[gap, End]);
    assert_eq!(stream.machine.place(), Sequence(3));
}

#[test]
fn a_read_that_fails_is_tried_again_and_at_last_given_up() {
    let mut stream = Stream::open(opening(3, 10));
    stream.take();
    stream.step(0, Input::ReadFailed(Failure::Passing), &[WakeAt(500)]);
    stream.step(499, Input::ClockReached, &[]);
    for again in 1..10 {
        let now = again * 500;
        stream.step(now, Input::ClockReached, &[read(3, 10), WakeAt(15_000.min(now + 15_000))]);
        stream.machine.wake_at = None;
        stream.step(now, Input::ReadFailed(Failure::Passing), &[WakeAt(now + 500)]);
    }
    stream.step(5000, Input::ClockReached, &[read(3, 10), WakeAt(15_000)]);
    stream.step(5000, Input::ReadFailed(Failure::Passing), &[End]);
    let mut stream = Stream::open(opening(3, 10));
    stream.take();
    stream.step(0, Input::ReadFailed(Failure::Closed), &[End]);
}

#[test]
fn a_finite_replay_ends_where_the_log_ended() {
    let mut stream = Stream::open(Opening { ends_at: Some(Sequence(10)), ..opening(3, 10) });
    assert_eq!(stream.take(), [read(3, 10), WakeAt(15_000)]);
    stream.step(1, offer(10, 11, 20, 50), &[]);
    stream.step(2, page(10, 100), &[Queue, Write(Block::End(Sequence(10))), End]);
    let mut nothing = Stream::open(Opening { ends_at: Some(Sequence(10)), ..opening(10, 10) });
    assert_eq!(nothing.take(), [Write(Block::End(Sequence(10))), End]);
}

#[test]
fn a_replay_keeps_the_distances_divided_by_its_factor() {
    let mut stream = Stream::open(Opening { pace: Pace::Times(10), ..opening(0, 4) });
    assert_eq!(stream.take(), [read_one(0, 4), WakeAt(15_000)]);
    stream.step(5, happened(1, 1_000_000), &[Queue, read_one(1, 4)]);
    stream.step(6, happened(2, 1_004_000), &[Hold, WakeAt(405)]);
    stream.step(7, Input::Taken { left: 0 }, &[]);
    assert_eq!(stream.machine.place(), Sequence(1), "what is held is not written");
    stream.step(405, Input::ClockReached, &[Release, read_one(2, 4), WakeAt(120_405)]);
    // One that happened before it waits for nothing, and the distance is counted from the first.
    stream.step(406, happened(3, 900_000), &[Queue, read_one(3, 4)]);
    stream.step(900, happened(4, 1_005_000), &[Queue]);
    assert!(stream.machine.is_live());
}

#[test]
fn a_held_event_does_not_silence_checkpoints_nor_the_end() {
    let mut stream = Stream::open(Opening { pace: Pace::Times(1), ..opening(0, 4) });
    stream.take();
    stream.step(0, happened(1, 0), &[Queue, read_one(1, 4)]);
    stream.step(0, happened(2, i64::MAX), &[Hold]);
    stream.step(1, Input::Taken { left: 0 }, &[]);
    stream.step(15_000, Input::ClockReached, &[checkpoint(1), WakeAt(135_000)]);
    stream.step(15_001, Input::Draining, &[Write(Block::Closing), End]);
}

#[test]
fn a_key_ends_its_stream_by_expiring_and_by_being_removed() {
    let mut stream = Stream::open(Opening { key_ends_at: Some(700), ..opening(4, 4) });
    assert_eq!(stream.take(), [WakeAt(700)]);
    stream.step(699, offer(4, 5, 5, 10), &[Queue]);
    stream.step(700, offer(5, 6, 6, 10), &[Cut]);
    let mut stream = Stream::live(4);
    stream.step(1, Input::KeyExpires(Some(50)), &[WakeAt(50)]);
    stream.step(50, Input::ClockReached, &[Cut]);
    let mut stream = Stream::live(4);
    stream.step(1, Input::KeyEnded, &[Cut]);
    assert!(stream.machine.has_ended());
}

#[test]
fn a_drain_closes_after_what_is_queued() {
    let mut stream = Stream::live(4);
    stream.step(1, offer(4, 5, 5, 10), &[Queue]);
    stream.step(2, Input::Draining, &[Write(Block::Closing), End]);
    stream.step(3, offer(5, 6, 6, 10), &[]);
}
