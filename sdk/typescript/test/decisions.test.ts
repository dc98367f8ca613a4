/** Retry and resume, without a clock or a socket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { APITimeoutError, Client } from "../src/index.js";
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

test("an answer that the broker is asked to wait with has that much longer", async () => {
  // Answers later than the client's time-out.
  const late = async (_: unknown, init?: RequestInit): Promise<Response> => {
    await pause(300, undefined, init?.signal ? { signal: init.signal } : {});
    return Response.json({ data: { params: { n: 1 } } });
  };
  const client = new Client({ baseUrl: "http://127.0.0.1:1", apiKey: "key", timeoutMs: 50, maxRetries: 0, fetch: late });
  await assert.rejects(client.events.list(), APITimeoutError);
  await client.events.list({ waitMs: 30_000 });
  assert.deepEqual(await client.events.publishAndWait({ type: "PRE_A" }), { n: 1 });
  assert.deepEqual(await client.events.publishAndWait({ type: "PRE_A" }, { deadlineMs: 60_000 }), { n: 1 });
});

test("how long a reader takes is no silence of the broker", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const block = (n: number): Uint8Array =>
    new TextEncoder().encode(`id: ${n}\nevent: a\ndata: {"id":"evt_${n}","type":"a","data":{}}\n\n`);
  const connections: ReadableStreamDefaultController<Uint8Array>[] = [];
  const dial = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      connections.push(controller);
      controller.enqueue(block(1));
      init?.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
    };
    return new Response(new ReadableStream<Uint8Array>({ start }));
  };
  const client = new Client({ baseUrl: "http://127.0.0.1:1", apiKey: "key", fetch: dial });
  const events = client.events.stream();
  assert.equal((await events.next()).value?.sequence, 1);
  t.mock.timers.tick(60_000);
  connections[0]?.enqueue(block(2));
  assert.equal((await events.next()).value?.sequence, 2);
  assert.equal(connections.length, 1);
  await events.return();
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
