"""Retry and resume, without a clock or a socket."""

import asyncio
import inspect

import pytest

from campanile import AsyncClient, Client, Event, FileCursor, StreamGap
from campanile._calls import Call, is_retried, wait_before_retry_s
from campanile._http_library import httpx
from campanile._resume import Ended, StreamState, is_final
from campanile._sse import Block

SAFE = Call("GET", "/", lambda value: value)
UNSAFE = Call("POST", "/", lambda value: value, repeatable=False)


def test_what_may_be_repeated_is_and_what_may_not_is_only_when_it_was_refused():
    assert is_retried(SAFE, 1, 2, None) and is_retried(SAFE, 2, 2, 500)
    assert not is_retried(SAFE, 3, 2, 500)
    assert not is_retried(SAFE, 1, 2, 422)
    assert not is_retried(UNSAFE, 1, 2, None) and not is_retried(UNSAFE, 1, 2, 500)
    assert is_retried(UNSAFE, 1, 2, 429) and is_retried(UNSAFE, 1, 2, 503)


def test_waits_grow_and_honour_what_the_broker_asks():
    assert [wait_before_retry_s(attempt, None, 1.0) for attempt in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 8.0]
    assert wait_before_retry_s(1, 30.0, 0.1) == 30.0


class Recorder:
    """Notes how long each call may take."""

    def __init__(self):
        self.limits = []

    def request(self, method, _, timeout=None, **__):
        self.limits.append(timeout)
        return httpx.Response(200, json={"data": [] if method == "GET" else {"params": {}}})


class AsyncRecorder(Recorder):
    async def request(self, *args, **rest):
        return super().request(*args, **rest)


@pytest.mark.parametrize(("client", "recorder"), [(Client, Recorder), (AsyncClient, AsyncRecorder)])
def test_an_answer_that_the_broker_is_asked_to_wait_with_has_that_much_longer(client, recorder):
    noted = recorder()
    events = client("http://127.0.0.1:1", "key", timeout=2.0, http_client=noted).events

    async def settle():
        for call in (
            events.list(wait_ms=30_000),
            events.publish_and_wait("PRE_A", deadline_ms=60_000),
            events.publish_and_wait("PRE_A"),
            events.list(),
        ):
            if inspect.isawaitable(call):
                await call

    asyncio.run(settle())
    *waiting, plain = noted.limits
    assert [limit.read for limit in waiting] == [32.0, 62.0, 302.0]
    assert {limit.connect for limit in waiting} == {2.0}
    assert plain is httpx.USE_CLIENT_DEFAULT


def event(id: str) -> Block:
    return Block("a", '{"id":"evt_1","type":"a","timestamp":"2026-01-01T00:00:00Z","data":{"n":1}}', id, None)


def test_the_place_moves_only_when_an_event_was_handled():
    state = StreamState()
    block = event("7")
    item = state.take(block)
    assert isinstance(item, Event) and item.sequence == 7 and item.data == {"n": 1}
    assert state.place is None
    assert state.handled(block) and state.place == "7"


def test_a_checkpoint_moves_the_place_without_an_event():
    state = StreamState("7")
    checkpoint = Block("message", None, "9", None)
    assert state.take(checkpoint) is None
    assert state.handled(checkpoint) and state.place == "9"


def test_gaps_and_the_end_are_no_events():
    state = StreamState()
    gap = Block("stream.gap", '{"reason":"trimmed","missed":3,"oldest":"12"}', None, None)
    assert state.take(gap) == StreamGap("trimmed", 3, "12")
    assert state.take(Block("stream.end", "{}", None, None)) == Ended()


def test_waits_between_dials_grow_and_a_goodbye_is_followed_as_it_says():
    state = StreamState()
    assert [state.wait_s(1.0) for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    state.handled(event("1"))
    assert state.wait_s(1.0) == 2
    state.take(Block("stream.closing", "{}", None, 3210))
    assert state.wait_s(0.0) == 3.21
    assert state.wait_s(0.0, retry_after_s=5) == 5


def test_a_refusal_that_stays_is_final_and_one_that_passes_is_not():
    assert all(is_final(status) for status in (400, 401, 403, 404, 410, 422))
    assert not any(is_final(status) for status in (408, 429, 500, 503))


def test_a_flat_event_is_put_together_again():
    state = StreamState()
    flat = Block("a.b", '{"pipeline":"p","timestamp":"2026-01-01T00:00:00Z","rows":3}', "4", None)
    item = state.take(flat)
    assert (item.type, item.pipeline, item.data, item.sequence) == ("a.b", "p", {"rows": 3}, 4)


def test_a_file_keeps_the_place(tmp_path):
    cursor = FileCursor(tmp_path / "place")
    assert cursor.load() is None
    cursor.save("12")
    cursor.save("13")
    assert FileCursor(tmp_path / "place").load() == "13"


def test_times_are_read_with_any_precision():
    for text in ("2026-02-15T06:00:04.7Z", "2026-02-15T06:00:04Z", "2026-02-15T06:00:04.123456789Z"):
        assert Event.of({"timestamp": text}).time.second == 4
