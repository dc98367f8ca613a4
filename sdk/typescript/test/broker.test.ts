/** The client against the real broker, kills included. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventSource } from "eventsource";
import {
  APIConnectionError,
  AuthenticationError,
  BadRequestError,
  Client,
  ConfigurationError,
  ConflictError,
  type Event,
  NotFoundError,
  UnprocessableEntityError,
} from "../src/index.js";
import { KEY, eventually, withBroker } from "./broker.js";

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);
const drafts = (from: number, to: number): { type: string; data: { n: number } }[] =>
  numbers(from, to).map((n) => ({ type: "n", data: { n } }));

test(
  "an event is published and found",
  withBroker(async (_, client) => {
    const draft = { type: "pipeline.completed", data: { rows_loaded: 892 }, pipeline: "p", run_id: "run_1" };
    const event = await client.events.publish(draft);
    assert.equal(event.sequence, 1);
    assert.deepEqual(await client.events.get(event.id), event);
    assert.deepEqual((await client.events.list({ types: ["pipeline.*"], pipeline: "p" })).data, [event]);
    assert.deepEqual((await client.events.list({ types: "pipeline.failed" })).data, []);
  }),
);

test(
  "publishing again with its id or key publishes once",
  withBroker(async (_, client) => {
    const first = await client.events.publish({ type: "a", data: { n: 1 }, id: "mine" });
    const again = await client.events.publish({ type: "a", data: { n: 1 }, id: "mine" });
    assert.equal(again.sequence, first.sequence);
    await assert.rejects(client.events.publish({ type: "a", data: { n: 2 }, id: "mine" }), ConflictError);
    const once = await client.events.publish({ type: "b" }, { idempotencyKey: "k" });
    assert.equal((await client.events.publish({ type: "b" }, { idempotencyKey: "k" })).sequence, once.sequence);
  }),
);

test(
  "a batch is published whole and iterated over pages",
  withBroker(async (_, client) => {
    assert.equal((await client.events.publishMany(drafts(0, 250))).length, 250);
    const seen: unknown[] = [];
    for await (const event of client.events.iterate({ types: "n", limit: 100 })) seen.push(event.data["n"]);
    assert.deepEqual(seen, numbers(0, 250));
  }),
);

test(
  "errors are typed and say where",
  withBroker(async (broker, client) => {
    const wrong = client.events.publish({ type: "not a type" });
    await assert.rejects(wrong, (error: unknown) => {
      assert(error instanceof UnprocessableEntityError);
      assert.equal(error.errors[0]?.pointer, "/type");
      assert(error.requestId);
      return true;
    });
    await assert.rejects(client.events.get("evt_none"), NotFoundError);
    await assert.rejects(client.events.list({ cursor: "nonsense" }), BadRequestError);
    await assert.rejects(new Client({ baseUrl: broker.url, apiKey: "wrong" }).events.list(), AuthenticationError);
    const nobody = new Client({ baseUrl: "http://127.0.0.1:1", apiKey: "key", maxRetries: 0 });
    await assert.rejects(nobody.events.list(), APIConnectionError);
    assert.throws(() => client.events.get(""), ConfigurationError);
    assert.throws(() => new Client({ baseUrl: "ftp://x", apiKey: "key" }), ConfigurationError);
  }),
);

test(
  "keys and destinations are managed",
  withBroker(async (broker, client) => {
    const key = await client.keys.create({ name: "reader", scopes: ["events:read"] });
    const reader = new Client({ baseUrl: broker.url, apiKey: key.key ?? "" });
    assert.deepEqual((await reader.events.list()).data, []);
    await client.keys.revoke(key.id);
    await assert.rejects(reader.events.list(), AuthenticationError);
    const made = await client.destinations.create({ url: "http://127.0.0.1:9/", verification: "none" });
    assert.equal((await client.destinations.update(made.id, { description: "mine" }))["description"], "mine");
    await client.destinations.delete(made.id);
    await assert.rejects(client.destinations.get(made.id), NotFoundError);
  }),
);

test(
  "a stream goes on through kills of the broker",
  withBroker(async (broker, client) => {
    const seen: number[] = [];
    const reading = (async () => {
      for await (const event of client.events.stream({ types: "n", since: "2020-01-01T00:00:00Z" })) {
        seen.push(event.data["n"] as number);
        if (seen.length === 300) return;
      }
    })();
    for (const part of [0, 1, 2]) {
      await client.events.publishMany(drafts(part * 100, part * 100 + 100));
      await eventually("the reader got on", () => seen.length > part * 100);
      if (part < 2) {
        await broker.kill();
        await broker.start();
      }
    }
    await reading;
    assert.deepEqual(seen, numbers(0, 300), "nothing lost, nothing twice, in order");
  }),
);

test(
  "a stream ends by its range, by its signal, and when the reader leaves",
  withBroker(async (_, client) => {
    await client.events.publish({ type: "a", timestamp: new Date("2026-01-01T00:00:00Z") });
    await client.events.publish({ type: "a", timestamp: "2026-01-03T00:00:00Z" });
    const range = { since: "2026-01-01T00:00:00Z", until: "2026-01-02T00:00:00Z" };
    const within: Event[] = [];
    for await (const event of client.events.stream(range)) within.push(event);
    assert.equal(within.length, 1);
    const controller = new AbortController();
    const live: Event[] = [];
    for await (const event of client.events.stream({ since: range.since, signal: controller.signal })) {
      live.push(event);
      if (live.length === 2) controller.abort();
    }
    assert.equal(live.length, 2);
    for await (const event of client.events.stream({ since: range.since })) {
      assert.equal(event.sequence, 1);
      break;
    }
  }),
);

test(
  "a stream that is refused for good is an error",
  withBroker(async (broker) => {
    const stranger = new Client({ baseUrl: broker.url, apiKey: "wrong" });
    await assert.rejects(stranger.events.stream().next(), AuthenticationError);
  }),
);

test(
  "a browser's kind of client opens a stream with a ticket",
  withBroker(async (broker, client) => {
    const { ticket } = await client.keys.streamTicket();
    const source = new EventSource(`${broker.url}/api/v1/events/stream?ticket=${ticket}&since=2020-01-01T00:00:00Z`);
    try {
      const heard = new Promise<MessageEvent>((resolve) => source.addEventListener("a.b", resolve));
      await client.events.publish({ type: "a.b", data: { text: "é\u2028" } });
      const message = await heard;
      assert.equal(message.lastEventId, "1");
      assert.deepEqual((JSON.parse(message.data as string) as Event).data, { text: "é\u2028" });
    } finally {
      source.close();
    }
  }),
);

test(
  "another client resumes by header through a kill",
  withBroker(async (broker, client) => {
    const source = new EventSource(`${broker.url}/api/v1/events/stream?since=2020-01-01T00:00:00Z`, {
      fetch: (url, init) =>
        fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${KEY}` } }),
    });
    const seen: string[] = [];
    source.addEventListener("n", (message) => seen.push(message.lastEventId));
    try {
      await client.events.publishMany(drafts(0, 10));
      await eventually("ten were heard", () => seen.length === 10);
      await broker.kill();
      await broker.start();
      await client.events.publishMany(drafts(10, 20));
      await eventually("all were heard", () => seen.length >= 20);
      assert.deepEqual(seen, numbers(1, 21).map(String));
    } finally {
      source.close();
    }
  }),
);

test(
  "a PRE event is waited for, and replays are listed",
  withBroker(async (_, client) => {
    await client.eventTypes.put("PRE_ORDER", { mode: "pre" });
    assert.deepEqual(await client.events.publishAndWait({ type: "PRE_ORDER", data: { amount: 5 } }), { amount: 5 });
    await assert.rejects(client.events.publishAndWait({ type: "a", data: {} }), UnprocessableEntityError);
    const made = await client.destinations.create({ url: "https://example.com/hooks", verification: "none" });
    const replay = await client.destinations.replay(made.id, { only: "missing" });
    const listed = await client.replays.list({ destination_id: made.id });
    assert.deepEqual(listed.data.map((one) => one.id), [replay.id]);
  }),
);
