/** The parser: what the standard asks for, at any cut of the bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamProtocolError } from "../src/errors.js";
import { type Block, SSEParser } from "../src/sse.js";

function parse(text: string, cuts: number[] = []): Block[] {
  const bytes = new TextEncoder().encode(text);
  const parser = new SSEParser();
  const ends = [...cuts, bytes.length];
  return ends.flatMap((end, n) => parser.feed(bytes.subarray(n === 0 ? 0 : ends[n - 1], end)));
}

function block(event: string, data: string | null, id: string | null = null, retryMs: number | null = null): Block {
  return { event, data, id, retryMs };
}

const CASES: [string, Block[]][] = [
  ["data: a\n\n", [block("message", "a")]],
  ["\ufeffdata: a\n\n", [block("message", "a")]],
  ["data:a\r\ndata: b\r\n\r\n", [block("message", "a\nb")]],
  ["data: a\r\rdata: b\r\rx\n", [block("message", "a"), block("message", "b")]],
  [": comment\nid: 7\n\n", [block("message", null, "7")]],
  ["id\ndata: a\n\n", [block("message", "a", "")]],
  ["id: a\0b\ndata: x\n\n", [block("message", "x")]],
  ["retry: 2000\n\n", [block("message", null, null, 2000)]],
  ["retry: 2s\ndata: a\n\n", [block("message", "a")]],
  ["event: t\ndata:  a\n\n", [block("t", " a")]],
  ["event: t\n\ndata: a\n\n", [block("message", "a")]],
  ["data: a\n", []],
  ["nothing: a\ndata\n\n", []],
  ["data: é\u2028\n\n", [block("message", "é\u2028")]],
];

test("blocks are read as the standard says", () => {
  for (const [text, blocks] of CASES) assert.deepEqual(parse(text), blocks, JSON.stringify(text));
});

test("where the bytes are cut changes nothing", () => {
  for (const [text, blocks] of CASES) {
    const length = new TextEncoder().encode(text).length;
    const everywhere = Array.from({ length }, (_, n) => n);
    assert.deepEqual(parse(text, everywhere), blocks, JSON.stringify(text));
    for (const cut of everywhere) assert.deepEqual(parse(text, [cut]), blocks, JSON.stringify(text));
  }
});

test("a block without end does not take all memory", () => {
  const parser = new SSEParser(1000);
  const line = new TextEncoder().encode(`data: ${"x".repeat(100)}\n`);
  assert.throws(() => {
    for (let n = 0; n < 100; n += 1) parser.feed(line);
  }, StreamProtocolError);
});

test("an event of the largest size passes", () => {
  assert.equal(parse(`data: ${"x".repeat(4 * 1024 * 1024)}\n\n`)[0]?.data?.length, 4 * 1024 * 1024);
});
