"""Parsing of Server-Sent Events (WHATWG HTML, section 9.2.6), without I/O.

A block that is cut off by the end of the stream is dropped, as the standard says: it was not whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ._errors import StreamProtocolError

#: No block of the broker is larger: an event is at most 1 MiB, doubled at worst by its encoding.
MAX_BLOCK_BYTES = 8 * 1024 * 1024

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Block:
    """One block of the stream: an event when it has data, a checkpoint when it has only an id."""

    event: str
    data: str | None
    id: str | None
    retry_ms: int | None


class SSEParser:
    """Takes bytes as they come and gives blocks as they become whole."""

    def __init__(self, max_block_bytes: int = MAX_BLOCK_BYTES) -> None:
        """A parser at the beginning of a stream."""
        self._max = max_block_bytes
        self._buffer = bytearray()
        self._started = False
        self._searched = 0
        self._block_bytes = 0
        self._clear()

    def _clear(self) -> None:
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None
        self._retry_ms: int | None = None
        self._block_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """Blocks that are whole with these bytes."""
        self._buffer += chunk
        if not self._started:
            if len(self._buffer) < 3 and b"\xef\xbb\xbf".startswith(bytes(self._buffer)):
                return
            self._started = True
            if self._buffer.startswith(b"\xef\xbb\xbf"):
                del self._buffer[:3]
        for line in self._lines():
            block = self._line(line)
            if block is not None:
                yield block
        if self._block_bytes + len(self._buffer) > self._max:
            raise StreamProtocolError(f"a block of the stream is larger than {self._max} bytes")

    def _lines(self) -> Iterator[bytes]:
        start = 0
        while True:
            found = _LINE_END.search(self._buffer, max(start, self._searched))
            # A carriage return at the end may be half of a line break.
            if found is None or (found.end() == len(self._buffer) and found.group() == b"\r"):
                break
            yield bytes(self._buffer[start : found.start()])
            start = found.end()
        del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - 1)

    def _line(self, line: bytes) -> Block | None:
        if not line:
            return self._dispatch()
        self._block_bytes += len(line)
        name, colon, value = line.partition(b":")
        if colon and not name:
            return None
        if value.startswith(b" "):
            value = value[1:]
        self._field(name, value.decode("utf-8", "replace"))
        return None

    def _field(self, name: bytes, value: str) -> None:
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and "\0" not in value:
            self._id = value
        elif name == b"retry" and value.isascii() and value.isdigit():
            self._retry_ms = int(value)

    def _dispatch(self) -> Block | None:
        data = "\n".join(self._data) if self._data else None
        block = Block(self._event or "message", data or None, self._id, self._retry_ms)
        self._clear()
        is_empty = block.data is None and block.id is None and block.retry_ms is None
        return None if is_empty else block
