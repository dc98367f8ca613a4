"""What the API speaks of, as plain values. Members that a newer broker adds are kept in `raw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

T = TypeVar("T")
JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """An event. `sequence` is its place in the log, where the source of the event tells it."""

    id: str
    type: str
    timestamp: str
    data: JSON
    pipeline: str | None = None
    run_id: str | None = None
    sequence: int | None = None
    raw: JSON = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(value: JSON, sequence: int | None = None) -> Event:
        """From its JSON."""
        at = value.get("sequence", sequence)
        return Event(
            id=str(value.get("id", "")),
            type=str(value.get("type", value.get("event", value.get("action", "")))),
            timestamp=str(value.get("timestamp", value.get("time", value.get("created_at", "")))),
            data=value.get("data") if isinstance(value.get("data"), Mapping) else {},  # type: ignore[arg-type]
            pipeline=value.get("pipeline"),
            run_id=value.get("run_id"),
            sequence=None if at is None else int(at),
            raw=value,
        )

    @property
    def time(self) -> datetime:
        """`timestamp` as a time; Python keeps microseconds of it."""
        text = self.timestamp.removesuffix("Z")
        whole, dot, fraction = text.partition(".")
        parsed = datetime.fromisoformat(whole + (dot + fraction[:6].ljust(6, "0") if dot else ""))
        return parsed.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class StreamGap:
    """Events between the place asked for and the oldest kept one are gone; the stream goes on from there."""

    reason: str
    missed: int | None
    oldest: str | None


@dataclass(frozen=True)
class Published:
    """One event of a batch that is durable."""

    id: str
    sequence: int


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list."""

    data: Sequence[T]
    has_more: bool
    next_cursor: str | None
    raw: JSON = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Resource:
    """Anything that has an id: members by attribute or from `raw`."""

    raw: JSON

    @property
    def id(self) -> Any:
        """Its id."""
        return self.raw.get("id")

    def __getattr__(self, name: str) -> Any:
        """A member of its JSON."""
        try:
            return self.__dict__["raw"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no member {name!r}") from None

    def __repr__(self) -> str:
        """Its members, without the secrets that some answers show once."""
        shown = {k: "<hidden>" if k in {"secret", "key", "ticket"} else v for k, v in self.raw.items()}
        return f"{type(self).__name__}({shown!r})"


class Destination(Resource):
    """A webhook destination; `secret` is there on creation and on rotation only."""


class Delivery(Resource):
    """One event at one destination."""


class Attempt(Resource):
    """One attempt of a delivery, or of a test."""


class Replay(Resource):
    """A durable job that sends events again."""


class Stats(Resource):
    """Counts and latencies of a destination."""


class EventTypeInfo(Resource):
    """An event type of a catalog."""


class App(Resource):
    """An app that functions belong to."""


class Function(Resource):
    """A function that runs on events."""


class Invocation(Resource):
    """One run of a function."""


class Key(Resource):
    """An API key; `key` is there on creation only."""


class Ticket(Resource):
    """A single-use ticket that opens one stream."""
