"""Events of the blocking client: publish, read, stream, listen."""

from __future__ import annotations

import builtins
import os
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from . import _calls
from ._calls import API, Time, Types, type_list
from ._errors import APIError
from ._listening import Handler, OnError, Registry, log, note_failure, stream_query
from ._models import Delivery, Event, Page, Published, StreamGap
from ._resume import Cursor, Ended, FileCursor, StreamState, is_final
from ._sse import Block, SSEParser
from ._transport import TRANSPORT_ERRORS, Transport


class Events:
    """`client.events`."""

    def __init__(self, transport: Transport) -> None:
        """Over a transport."""
        self._transport = transport
        self._registry = Registry()

    def publish(
        self,
        type: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        timestamp: Time | None = None,
        pipeline: str | None = None,
        run_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Event:
        """Publishes one event; returns once it is durable. Sent again by itself when the connection breaks: once."""
        event = _calls.draft(type, data or {}, id, timestamp, pipeline, run_id)
        return self._transport.run(_calls.publish(event, idempotency_key))

    def publish_and_wait(
        self,
        type: str,
        data: Mapping[str, Any] | None = None,
        *,
        deadline_ms: int | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Mapping[str, Any]:
        """Publishes a PRE event and waits for its functions; gives the data as they left it.

        One that fails is an `UnprocessableEntityError`, whose `problem["data"]["failures"]` names each.
        """
        event = _calls.draft(type, data or {}, id)
        return self._transport.run(_calls.publish_and_wait(event, deadline_ms, idempotency_key))

    def publish_many(
        self, events: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> builtins.list[Published]:
        """Publishes 1 to 1,000 events: all of them or none."""
        return self._transport.run(_calls.publish_many(events, idempotency_key))

    def list(
        self,
        type: Types | None = None,
        *,
        pipeline: str | None = None,
        run_id: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        filter: str | None = None,
        cursor: str | int | None = None,
        limit: int | None = None,
        order: str | None = None,
        wait_ms: int | None = None,
    ) -> Page[Event]:
        """One page of events, in log order (`order="desc"`: newest first)."""
        call = _calls.list_events(type, pipeline, run_id, since, until, filter, cursor, limit, order, wait_ms)
        return self._transport.run(call)

    def iterate(self, type: Types | None = None, **filters: Any) -> Iterator[Event]:
        """Every event that matches, page by page, up to the newest of now."""
        cursor = filters.pop("cursor", None)
        while True:
            page = self.list(type, cursor=cursor, **filters)
            yield from page.data
            if not page.has_more:
                return
            cursor = page.next_cursor

    def get(self, id: str) -> Event:
        """One event."""
        return self._transport.run(_calls.get(f"{API}/events/{_calls.segment(id)}", Event.of))

    def deliveries(self, id: str) -> Page[Delivery]:
        """The deliveries of one event."""
        path = f"{API}/events/{_calls.segment(id)}/deliveries"
        return self._transport.run(_calls.get(path, _calls.page_of(Delivery)))

    def stream(
        self,
        types: Types | None = None,
        *,
        pipeline: str | None = None,
        run_id: str | None = None,
        filter: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        speed: str | None = None,
        resume: str | int | None = None,
    ) -> Iterator[Event | StreamGap]:
        """Events as they happen, for ever: through restarts of the broker, nothing lost and nothing twice.

        `resume` goes on after a place (a sequence or an event's id). A place that retention has passed gives a
        `StreamGap` and goes on from the oldest. With `until` the stream ends there.
        """
        parameters = stream_query(type_list(types), pipeline, run_id, filter, since, until, speed)
        state = StreamState(None if resume is None else str(resume))
        for block, item in self._blocks(state, parameters, threading.Event()):
            if item is not None:
                yield item
            state.handled(block)

    def _blocks(
        self, state: StreamState, parameters: builtins.list[tuple[str, str]], stop: threading.Event
    ) -> Iterator[tuple[Block, Event | StreamGap | None]]:
        """Blocks with what they mean, through as many connections as it takes."""
        while not stop.is_set():
            parser = SSEParser()
            retry_after = None
            headers = {"Last-Event-ID": state.place} if state.place else {}
            try:
                with self._transport.stream(f"{API}/events/stream", parameters, headers) as chunks:
                    for chunk in chunks:
                        for block in parser.feed(chunk):
                            item = state.take(block)
                            if isinstance(item, Ended):
                                return
                            yield block, item
                            if stop.is_set():
                                return
            except APIError as error:
                if is_final(error.status):
                    raise
                retry_after = error.retry_after_s
                log.warning("the stream was refused: %s", error)
            except TRANSPORT_ERRORS as error:
                log.warning("the stream broke, it is dialled again: %s: %s", type(error).__name__, error)
            if stop.wait(state.wait_s(random.random(), retry_after)):
                return

    def on(self, *types: str, pipeline: str | None = None, run_id: str | None = None) -> Callable[[Handler], Handler]:
        """Registers a handler for types (`"pipeline.*"`, `"*"`); `listen` calls it."""
        return self._registry.add(types, pipeline, run_id)

    def listen(
        self,
        *,
        since: Time | None = None,
        until: Time | None = None,
        filter: str | None = None,
        resume: Cursor | str | os.PathLike[str] | None = None,
        on_error: OnError | None = None,
        on_gap: Callable[[StreamGap], Any] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Calls the handlers with events as they happen, until Ctrl-C, SIGTERM or `stop`.

        Broker restarts and broken connections are gone through: after each, the stream resumes where the handlers
        stand. `resume` (a file's path, or a cursor) keeps that place between runs of the program. An event is passed
        only when every handler that wants it returned or failed: each sees it at least once. A handler that fails is
        logged (and told to `on_error`), and stops nobody.
        """
        cursor = FileCursor(resume) if isinstance(resume, (str, os.PathLike)) else resume
        stop = stop or threading.Event()
        parameters = stream_query(self._registry.types(), None, None, filter, since, until, None)
        state = StreamState(cursor.load() if cursor else None)
        with _Signals(stop):
            try:
                for block, item in self._blocks(state, parameters, stop):
                    if isinstance(item, StreamGap):
                        log.warning("events are gone: %s", item)
                        if on_gap:
                            on_gap(item)
                    elif item is not None:
                        self._dispatch(item, on_error)
                    if state.handled(block) and cursor and state.place:
                        cursor.save(state.place)
            except KeyboardInterrupt:
                return

    def _dispatch(self, event: Event, on_error: OnError | None) -> None:
        for handler in self._registry.wanting(event):
            try:
                handler(event)
            except Exception as error:
                note_failure(handler, event, error, on_error)


class _Signals:
    """Ends listening on SIGTERM as Ctrl-C does, where signals can be had: in the main thread."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._before: Any = None
        self._is_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._is_main:
            self._before = signal.signal(signal.SIGTERM, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGTERM, self._before if self._before is not None else signal.SIG_DFL)
