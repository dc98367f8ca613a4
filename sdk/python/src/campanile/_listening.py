"""Which handlers want an event, shared by both clients: patterns as the API has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._calls import Time, query, type_list
from ._errors import ConfigurationError
from ._models import Event

log = logging.getLogger("campanile")

Handler = Callable[[Event], Any]
OnError = Callable[[Exception, Event], Any]


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern (exact, `prefix.*` or `*`) means a type."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


@dataclass(frozen=True)
class Registration:
    """A handler and what it wants."""

    patterns: tuple[str, ...]
    pipeline: str | None
    run_id: str | None
    handler: Handler

    def wants(self, event: Event) -> bool:
        """Whether the handler wants an event."""
        return (
            (self.pipeline is None or self.pipeline == event.pipeline)
            and (self.run_id is None or self.run_id == event.run_id)
            and any(matches(pattern, event.type) for pattern in self.patterns)
        )


@dataclass
class Registry:
    """Every handler of a client, in the order they were given."""

    registrations: list[Registration] = field(default_factory=list)

    def add(self, patterns: Sequence[str], pipeline: str | None, run_id: str | None) -> Callable[[Handler], Handler]:
        """The decorator that adds a handler."""
        wanted = tuple(patterns) or ("*",)
        for pattern in wanted:
            if not isinstance(pattern, str) or not pattern:
                raise ConfigurationError(f"an event type is text, not {pattern!r}")

        def decorate(handler: Handler) -> Handler:
            self.registrations.append(Registration(wanted, pipeline, run_id, handler))
            return handler

        return decorate

    def types(self) -> list[str]:
        """What the broker must send so that every handler gets what it wants; empty means everything."""
        patterns = {pattern for one in self.registrations for pattern in one.patterns}
        if not patterns:
            raise ConfigurationError("no handler is registered: use @client.events.on(...) first")
        return [] if "*" in patterns else sorted(patterns)

    def wanting(self, event: Event) -> list[Handler]:
        """The handlers that want an event."""
        return [one.handler for one in self.registrations if one.wants(event)]


def note_failure(handler: Handler, event: Event, error: Exception, on_error: OnError | None) -> Any:
    """A handler failed: the others go on. What `on_error` gives is for the caller to await when it can be."""
    name = getattr(handler, "__qualname__", repr(handler))
    log.error("handler %s failed on event %s (%s)", name, event.id, event.type, exc_info=error)
    return on_error(error, event) if on_error else None


def stream_query(
    types: str | Sequence[str] | None,
    pipeline: str | None,
    run_id: str | None,
    filter: str | None,
    since: Time | None,
    until: Time | None,
    speed: str | None,
) -> list[tuple[str, str]]:
    """The parameters of an event stream; its place is a header."""
    return query(
        type=type_list(types),
        pipeline=pipeline,
        run_id=run_id,
        filter=filter,
        since=since,
        until=until,
        speed=speed,
    )
