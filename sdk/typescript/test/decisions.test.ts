/** Retry and resume, without a clock or a socket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamState, isFinal } from "../src/stream.js";
import { type Call, isRetried, waitBeforeRetryMs } from "../src/transport.js";

const safe: Call = { method: "GET", path: "/", repeatable: true };
const unsafe: Call = { method: "POST", path: "/", repeatable: false };

test("what may be repeated is, and what may not is only when it was refused", () => {
  assert(isRetried(safe, 1, 2, null) && isRetried(safe, 2, 2, 500));
  assert(!isRetried(safe, 3, 2, 500) && !isRetried(safe, 1, 2, 422));
  assert(!isRetried(unsafe, 1, 2, null) && !isRetried(unsafe, 1, 2, 500));
  assert(isRetried(unsafe, 1, 2, 429) && isRetried(unsafe, 1, 2, 503));
});

test("waits grow, and honour what the broker asks", () => {
  assert.deepEqual([1, 2, 3, 9].map((attempt) => waitBeforeRetryMs(attempt, null, 1)), [500, 1000, 2000, 8000]);
  assert.equal(waitBeforeRetryMs(1, 30_000, 0.1), 30_000);
});

test("the place moves only when a block was handled, and a checkpoint is one", () => {
  const state = new StreamState();
  const block = { event: "a", data: '{"id":"evt_1","type":"a","data":{}}', id: "7", retryMs: null };
  const item = state.take(block);
  assert(item.kind === "event" && item.event.sequence === 7);
  assert.equal(state.place, null);
  state.handled(block);
  assert.equal(state.place, "7");
  state.handled({ event: "message", data: null, id: "9", retryMs: null });
  assert.equal(state.place, "9");
});

test("waits between dials grow, and a goodbye is followed as it says", () => {
  const state = new StreamState();
  assert.deepEqual(Array.from({ length: 6 }, () => state.waitMs(1)), [2000, 4000, 8000, 16_000, 30_000, 30_000]);
  state.handled({ event: "a", data: "{}", id: "1", retryMs: null });
  assert.equal(state.waitMs(1), 2000);
  state.take({ event: "stream.closing", data: "{}", id: null, retryMs: 3210 });
  assert.equal(state.waitMs(0), 3210);
  assert.equal(state.waitMs(0, 5000), 5000);
});

test("a refusal that stays is final, and one that passes is not", () => {
  assert([400, 401, 403, 404, 410, 422].every(isFinal));
  assert(![408, 429, 500, 503].some(isFinal));
});
