"""The clients against the real broker, restarts and kills included."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from campanile import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    ConflictError,
    FileCursor,
    NotFoundError,
    UnprocessableEntityError,
)
from tests.conftest import KEY, eventually


def test_an_event_is_published_and_found(client):
    event = client.events.publish("pipeline.completed", {"rows_loaded": 892}, pipeline="user-analytics", run_id="run_1")
    assert event.id.startswith("evt_") and event.sequence == 1
    assert client.events.get(event.id) == event
    assert client.events.list("pipeline.*", pipeline="user-analytics").data == [event]
    assert client.events.list("pipeline.failed").data == []
    assert event.time.year >= 2026


def test_publishing_again_with_its_id_or_key_publishes_once(client):
    first = client.events.publish("a", {"n": 1}, id="mine")
    assert client.events.publish("a", {"n": 1}, id="mine").sequence == first.sequence
    with pytest.raises(ConflictError):
        client.events.publish("a", {"n": 2}, id="mine")
    once = client.events.publish("b", {}, idempotency_key="k")
    assert client.events.publish("b", {}, idempotency_key="k").sequence == once.sequence


def test_a_batch_is_published_whole_and_iterated_over_pages(client):
    published = client.events.publish_many({"type": "n", "data": {"n": n}} for n in range(250))
    assert len({one.id for one in published}) == 250
    assert [event.data["n"] for event in client.events.iterate("n", limit=100)] == list(range(250))
    newest = next(client.events.iterate(order="desc", limit=10))
    assert newest.data["n"] == 249


def test_errors_are_typed_and_say_where(client, broker):
    with pytest.raises(UnprocessableEntityError) as caught:
        client.events.publish("not a type", {})
    assert caught.value.errors[0].pointer == "/type" and caught.value.request_id
    with pytest.raises(NotFoundError):
        client.events.get("evt_none")
    with pytest.raises(BadRequestError):
        client.events.list(cursor="nonsense")
    with pytest.raises(AuthenticationError):
        Client(broker.url, "wrong").events.list()
    with pytest.raises(ConfigurationError):
        client.events.get("")
    with pytest.raises(APIConnectionError):
        Client("http://127.0.0.1:1", "key", max_retries=0).events.list()


def test_settings_come_from_the_environment(monkeypatch, broker):
    monkeypatch.delenv("CAMPANILE_KEY", raising=False)
    with pytest.raises(ConfigurationError):
        Client(broker.url)
    monkeypatch.setenv("CAMPANILE_KEY", KEY)
    monkeypatch.setenv("CAMPANILE_URL", broker.url + "/")
    assert Client().events.list().data == []


def test_keys_and_destinations_are_managed(client, broker):
    key = client.keys.create("reader", ["events:read"])
    assert Client(broker.url, key.key).events.list().data == []
    assert key.key not in repr(key)
    client.keys.revoke(key.id)
    with pytest.raises(AuthenticationError):
        Client(broker.url, key.key).events.list()
    made = client.destinations.create("http://127.0.0.1:9/", verification="none", events=["a.*"])
    assert client.destinations.update(made.id, description="mine").description == "mine"
    assert [one.id for one in client.destinations.list().data] == [made.id]
    client.destinations.delete(made.id)
    with pytest.raises(NotFoundError):
        client.destinations.get(made.id)
    assert client.keys.stream_ticket().ticket


def test_a_stream_goes_on_through_kills_of_the_broker(broker, client):
    got = []
    ended = threading.Event()

    def read():
        for event in client.events.stream("n", since="2020-01-01T00:00:00Z"):
            got.append(event.data["n"])
            if event.data["n"] == 299:
                break
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    for part in range(3):
        with broker.client() as publisher:
            publisher.events.publish_many({"type": "n", "data": {"n": part * 100 + n}} for n in range(100))
        if part == 0:
            reader.start()
        eventually("the reader got on", lambda part=part: len(got) > part * 100)
        if part < 2:
            broker.kill()
            broker.start()
    assert ended.wait(240)
    assert got == list(range(300)), "nothing lost, nothing twice, in order"


def test_a_finite_stream_ends(client):
    client.events.publish("a", {}, timestamp="2026-01-01T00:00:00Z")
    client.events.publish("a", {}, timestamp="2026-01-03T00:00:00Z")
    events = list(client.events.stream(since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z"))
    assert len(events) == 1


def test_handlers_get_what_they_want_and_a_failing_one_stops_nobody(broker, client, tmp_path):
    seen, failures, stop = [], [], threading.Event()

    @client.events.on("pipeline.*")
    def broken(event):
        raise ValueError("handler")

    @client.events.on("pipeline.completed", "other", pipeline="p")
    def wanted(event):
        seen.append(event.data["n"])

    @client.events.on("end")
    def end(event):
        stop.set()

    for n, (name, pipeline) in enumerate(
        [("pipeline.completed", "p"), ("pipeline.completed", "q"), ("other", "p"), ("noise", "p"), ("end", "p")]
    ):
        client.events.publish(name, {"n": n}, pipeline=pipeline)
    place = tmp_path / "place"
    client.events.listen(
        since="2020-01-01T00:00:00Z",
        resume=place,
        on_error=lambda error, event: failures.append(event.type),
        stop=stop,
    )
    assert seen == [0, 2]
    assert failures == ["pipeline.completed", "pipeline.completed"]
    assert FileCursor(place).load() == "5"


def test_listening_again_goes_on_where_the_file_says(client, tmp_path):
    place = tmp_path / "place"
    for round_ in range(3):
        stop, seen = threading.Event(), []
        fresh = Client(client._transport._url, KEY)

        @fresh.events.on("*")
        def handle(event, stop=stop, seen=seen):
            seen.append(event.data["n"])
            if event.data.get("last"):
                stop.set()

        client.events.publish("a", {"n": round_})
        client.events.publish("a", {"n": round_, "last": True})
        fresh.events.listen(since="2020-01-01T00:00:00Z", resume=str(place), stop=stop)
        assert seen == [round_, round_]


PROGRAM = """
    from campanile import Client
    client = Client()

    @client.events.on("pipeline.completed")
    def on_complete(event):
        print(f"Pipeline {event.pipeline} completed: {event.data['rows_loaded']} rows", flush=True)

    @client.events.on("pipeline.failed")
    def on_failure(event):
        print(f"Pipeline {event.pipeline} FAILED: {event.data['error']}", flush=True)

    print("ready", flush=True)
    client.events.listen(since="2020-01-01T00:00:00Z")
    print("left cleanly", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_published_snippet_listens_and_leaves_cleanly(broker, client, number):
    environment = {**os.environ, "CAMPANILE_URL": broker.url, "CAMPANILE_KEY": KEY}
    # A job in the background of a shell has it ignored, and so would the program.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    client.events.publish("pipeline.completed", {"rows_loaded": 892}, pipeline="user-analytics")
    client.events.publish("pipeline.failed", {"error": "disk"}, pipeline="user-analytics")
    assert process.stdout.readline() == "ready\n"
    assert process.stdout.readline() == "Pipeline user-analytics completed: 892 rows\n"
    assert process.stdout.readline() == "Pipeline user-analytics FAILED: disk\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=240)
    assert (output, process.returncode) == ("left cleanly\n", 0), errors
    assert "Traceback" not in errors


def test_the_async_client_has_the_same_names(client):
    assert public(client) == public(asyncio.run(make_async()))


async def make_async():
    from campanile import AsyncClient

    return AsyncClient("http://127.0.0.1:1", "key")


def public(client) -> dict[str, list[str]]:
    parts = {name: value for name, value in vars(client).items() if not name.startswith("_")}
    return {name: [member for member in dir(part) if not member.startswith("_")] for name, part in parts.items()}


def test_the_async_client_publishes_streams_and_listens(broker):
    async def run():
        async with broker.async_client() as client:
            await client.events.publish_many([{"type": "n", "data": {"n": n}} for n in range(150)])
            listed = [event.data["n"] async for event in client.events.iterate("n", limit=100)]
            streamed = []
            async for event in client.events.stream("n", since="2020-01-01T00:00:00Z"):
                streamed.append(event.data["n"])
                if len(streamed) == 150:
                    break
            handled, stop = [], asyncio.Event()

            @client.events.on("n")
            async def handle(event):
                await asyncio.sleep(0)
                handled.append(event.data["n"])
                if len(handled) == 150:
                    stop.set()

            await client.events.listen(since="2020-01-01T00:00:00Z", stop=stop)
            with pytest.raises(NotFoundError):
                await client.destinations.get("dst_01JABCDEFGHJKMNPQRSTVWXYZ0")
            return listed, streamed, handled

    listed, streamed, handled = asyncio.run(run())
    assert listed == streamed == handled == list(range(150))


def test_the_async_listener_goes_through_a_kill_and_ends_when_cancelled(broker):
    async def run():
        seen = []
        async with broker.async_client() as client:

            @client.events.on("*")
            def handle(event):
                seen.append(event.data["n"])

            listening = asyncio.ensure_future(client.events.listen(since="2020-01-01T00:00:00Z"))
            for n in range(2):
                async with broker.async_client() as publisher:
                    await publisher.events.publish("a", {"n": n})
                while len(seen) <= n:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(broker.kill)
                await asyncio.to_thread(broker.start)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
        return seen

    assert asyncio.run(asyncio.wait_for(run(), 480)) == [0, 1]
