"""Every call of the API as a value: how it is asked, and what its answer becomes. Both clients run the same calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from ._errors import ConfigurationError
from ._models import Event, Page, Published, Resource

T = TypeVar("T")
R = TypeVar("R", bound=Resource)
Time = str | datetime
Types = str | Iterable[str]

API = "/api/v1"

#: Statuses after which the same request may go better.
RETRIED = frozenset({408, 429, 500, 502, 503, 504})

#: Without a deadline a function's own time-out ends a PRE event: 5 minutes unless said otherwise.
FUNCTIONS_MS = 300_000


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how to read its answer.

    `repeatable`: sending it twice does no more than sending it once. `patience_s`: how much longer than the client's
    time-out the answer may take, as the broker is asked to wait.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    patience_s: float = 0.0


def wait_before_retry_s(attempt: int, retry_after_s: float | None, unit: float) -> float:
    """The wait before attempt `attempt + 1`: full jitter under a doubling bound, at least what the broker asks."""
    return max(retry_after_s or 0.0, min(8.0, 0.5 * 2.0 ** (attempt - 1)) * unit)


def is_retried(call: Call[Any], attempt: int, max_retries: int, status: int | None) -> bool:
    """Whether a failed attempt (`None`: no answer came) is made again."""
    if attempt > max_retries:
        return False
    if status is None:
        return call.repeatable
    return status in RETRIED and (call.repeatable or status in (429, 503))


def time_text(value: Time | None) -> str | None:
    """A time as the API writes it; a naive one is taken for UTC."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return value


def type_list(types: Types | None) -> list[str]:
    """One or several type patterns as a list."""
    if types is None:
        return []
    return [types] if isinstance(types, str) else list(types)


def query(**parameters: Any) -> list[tuple[str, str]]:
    """Query parameters; those that are `None` are left out."""
    given: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if value is None or value == []:
            continue
        if isinstance(value, list):
            given.append((name, ",".join(value)))
        else:
            given.append((name, str(time_text(value) if isinstance(value, datetime) else value)))
    return given


def segment(value: object) -> str:
    """One part of a path."""
    text = str(value)
    if not text or text in (".", ".."):
        raise ConfigurationError(f"{text!r} names nothing")
    return quote(text, safe="")


def nothing(_: Any) -> None:
    """The answer of a call that has none."""


def get(path: str, read: Callable[[Any], T], parameters: Sequence[tuple[str, str]] = ()) -> Call[T]:
    """A call that only reads."""
    return Call("GET", path, read, parameters)


def send(method: str, path: str, value: Any, read: Callable[[Any], T], *, repeatable: bool = False) -> Call[T]:
    """A call with a JSON body."""
    body = None if value is None else to_json(value)
    headers = {} if body is None else {"Content-Type": "application/json"}
    return Call(method, path, read, (), body, headers, repeatable)


def delete(path: str) -> Call[None]:
    """A call that removes something."""
    return Call("DELETE", path, nothing)


def to_json(value: Any) -> bytes:
    """Compact JSON; what JSON cannot say is refused here and not by the broker."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def page_of(kind: Callable[[Any], T]) -> Callable[[Any], Page[T]]:
    """Reads a page of a list."""

    def read(value: Any) -> Page[T]:
        data = [kind(one) for one in value["data"]]
        return Page(data, bool(value.get("has_more")), value.get("next_cursor"), value)

    return read


def given(**members: Any) -> dict[str, Any]:
    """The members that were given."""
    return {name: value for name, value in members.items() if value is not None}


# --- events


def draft(
    type: str,
    data: Mapping[str, Any],
    id: str | None = None,
    timestamp: Time | None = None,
    pipeline: str | None = None,
    run_id: str | None = None,
) -> dict[str, Any]:
    """An event as it is published."""
    return given(type=type, data=dict(data), id=id, timestamp=time_text(timestamp), pipeline=pipeline, run_id=run_id)


def publish(event: Mapping[str, Any], idempotency_key: str | None) -> Call[Event]:
    """Publishes one event. With a key it may be repeated until it is answered."""
    key = idempotency_key or str(uuid.uuid4())
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return Call("POST", f"{API}/events", Event.of, (), to_json(event), headers)


def publish_and_wait(
    event: Mapping[str, Any], deadline_ms: int | None, idempotency_key: str | None
) -> Call[Mapping[str, Any]]:
    """Publishes a PRE event and waits. Repeated with its key, it joins the run that is under way."""
    key = idempotency_key or str(uuid.uuid4())
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    parameters = query(wait="true", deadline_ms=deadline_ms)

    def read(value: Any) -> Mapping[str, Any]:
        params: Mapping[str, Any] = value["data"]["params"]
        return params

    patience_s = (FUNCTIONS_MS if deadline_ms is None else deadline_ms) / 1000
    return Call("POST", f"{API}/events", read, parameters, to_json(event), headers, patience_s=patience_s)


def publish_many(events: Iterable[Mapping[str, Any]], idempotency_key: str | None) -> Call[list[Published]]:
    """Publishes up to 1,000 events: all of them or none."""
    key = idempotency_key or str(uuid.uuid4())
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    body = to_json({"events": [dict(event) for event in events]})

    def read(value: Any) -> list[Published]:
        return [Published(one["id"], int(one["sequence"])) for one in value["events"]]

    return Call("POST", f"{API}/events/batch", read, (), body, headers)


def list_events(
    types: Types | None,
    pipeline: str | None,
    run_id: str | None,
    since: Time | None,
    until: Time | None,
    filter: str | None,
    cursor: str | int | None,
    limit: int | None,
    order: str | None,
    wait_ms: int | None,
) -> Call[Page[Event]]:
    """One page of events."""
    parameters = query(
        type=type_list(types),
        pipeline=pipeline,
        run_id=run_id,
        since=since,
        until=until,
        filter=filter,
        cursor=cursor,
        limit=limit,
        order=order,
        wait_ms=wait_ms,
    )
    return Call("GET", f"{API}/events", page_of(Event.of), parameters, patience_s=(wait_ms or 0) / 1000)
