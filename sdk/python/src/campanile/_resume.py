"""Where a stream stands and when to dial again: a plain state machine without I/O, clock or dice of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ._models import Event, StreamGap
from ._sse import Block

#: No wait between two dials is longer.
LONGEST_WAIT_S = 30.0

#: A stream without a byte for longer is dead: the broker writes at least every 15 seconds.
SILENCE_S = 45.0


class Cursor(Protocol):
    """Keeps a place between two runs of a program."""

    def load(self) -> str | None:
        """The place kept last; `None` when there is none."""

    def save(self, place: str) -> None:
        """Keeps a place."""


class FileCursor:
    """Keeps the place in a file, replaced as a whole: never half a place. What was handled last may be seen again."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """A cursor in a file that need not exist yet."""
        self._path = Path(path)

    def load(self) -> str | None:
        """The place in the file."""
        try:
            place = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        return place or None

    def save(self, place: str) -> None:
        """Replaces the file."""
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(place + "\n", encoding="ascii")
        os.replace(new, self._path)


@dataclass(frozen=True)
class Ended:
    """A finite replay came to its end."""


class StreamState:
    """Follows one stream through its connections."""

    def __init__(self, place: str | None = None) -> None:
        """A stream that goes on after `place`, or begins where the request says."""
        self.place = place
        self.base_wait_s = 2.0
        self.failures = 0
        self._closing = False

    def take(self, block: Block) -> Event | StreamGap | Ended | None:
        """What a block means. The place is moved by `handled`, not here."""
        if block.retry_ms is not None:
            self.base_wait_s = block.retry_ms / 1000
        if block.data is None:
            return None
        if block.event == "stream.closing":
            self._closing = True
            return None
        if block.event == "stream.end":
            return Ended()
        value: Any = json.loads(block.data)
        if block.event == "stream.gap":
            return StreamGap(str(value.get("reason")), value.get("missed"), value.get("oldest"))
        return event_of(block, value)

    def handled(self, block: Block) -> bool:
        """The block's event has been handled, or it had none: the stream resumes after it. Whether the place moved."""
        self.failures = 0
        if not block.id or block.id == self.place:
            return False
        self.place = block.id
        return True

    def wait_s(self, unit: float, retry_after_s: float | None = None) -> float:
        """How long to wait before dialling again: full jitter, doubled with each failure. `unit` is in 0..1."""
        self.failures += 1
        if self._closing:
            # The broker said goodbye and spread its clients already.
            self._closing = False
            return self.base_wait_s
        span = min(LONGEST_WAIT_S, self.base_wait_s * 2.0 ** min(self.failures - 1, 8))
        return max(retry_after_s or 0.0, span * unit)


def event_of(block: Block, value: Any) -> Event:
    """The event of a block, in any of the stream's formats."""
    sequence = int(block.id) if block.id and block.id.isdigit() else None
    if not isinstance(value, Mapping):
        return Event("", block.event, "", {}, sequence=sequence, raw={"data": value})
    if "data" not in value and "specversion" not in value:
        # The flat format: the members of `data` beside the event's own.
        own = {"pipeline", "run_id", "timestamp"}
        data = {name: member for name, member in value.items() if name not in own}
        value = {**{name: value[name] for name in own if name in value}, "type": block.event, "data": data}
    return Event.of(value, sequence)


def is_final(status: int) -> bool:
    """Whether a status that refuses a stream will not get better by dialling again."""
    return 400 <= status < 500 and status not in (408, 425, 429)
