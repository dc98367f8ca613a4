"""The parser: what the standard asks for, at any cut of the bytes."""

import random

import pytest

from campanile import StreamProtocolError
from campanile._sse import Block, SSEParser


def parse(text: bytes, cuts: list[int] | None = None) -> list[Block]:
    parser = SSEParser()
    blocks: list[Block] = []
    last = 0
    for cut in [*(cuts or []), len(text)]:
        blocks.extend(parser.feed(text[last:cut]))
        last = cut
    return blocks


CASES = [
    (b"data: a\n\n", [Block("message", "a", None, None)]),
    (b"\xef\xbb\xbfdata: a\n\n", [Block("message", "a", None, None)]),
    (b"data:a\r\ndata: b\r\n\r\n", [Block("message", "a\nb", None, None)]),
    (b"data: a\r\rdata: b\r\rx\n", [Block("message", "a", None, None), Block("message", "b", None, None)]),
    (b": comment\nid: 7\n\n", [Block("message", None, "7", None)]),
    (b"id\ndata: a\n\n", [Block("message", "a", "", None)]),
    (b"id: a\0b\ndata: x\n\n", [Block("message", "x", None, None)]),
    (b"retry: 2000\n\n", [Block("message", None, None, 2000)]),
    (b"retry: 2s\ndata: a\n\n", [Block("message", "a", None, None)]),
    (b"event: t\ndata:  a\n\n", [Block("t", " a", None, None)]),
    (b"event: t\n\ndata: a\n\n", [Block("message", "a", None, None)]),
    (b"data: a\n", []),
    (b"nothing: a\ndata\n\n", []),
    ("data: é\u2028\n\n".encode(), [Block("message", "é\u2028", None, None)]),
]


@pytest.mark.parametrize(("text", "blocks"), CASES)
def test_blocks_are_read_as_the_standard_says(text: bytes, blocks: list[Block]) -> None:
    assert parse(text) == blocks


def test_where_the_bytes_are_cut_changes_nothing() -> None:
    text = b"".join(text for text, _ in CASES[2:] if text.endswith((b"\n\n", b"\r\n"))) + b"id: 9\ndata: end\n\n"
    whole = parse(text)
    assert parse(text, list(range(len(text)))) == whole
    dice = random.Random(7)
    for _ in range(200):
        assert parse(text, sorted(dice.sample(range(len(text)), 5))) == whole


def test_a_block_without_end_does_not_take_all_memory() -> None:
    parser = SSEParser(max_block_bytes=1000)
    with pytest.raises(StreamProtocolError):
        for _ in range(100):
            list(parser.feed(b"data: " + b"x" * 100 + b"\n"))


def test_an_event_of_the_largest_size_passes() -> None:
    (block,) = parse(b"data: " + b"x" * (4 * 1024 * 1024) + b"\n\n")
    assert len(block.data) == 4 * 1024 * 1024
