/** Verification, against an independent signer and against what the broker sends. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { type Event, WebhookVerificationError, webhooks } from "../src/index.js";
import { eventually, withBroker } from "./broker.js";

const SECRET = `whsec_${Buffer.from(Array.from({ length: 32 }, (_, n) => n)).toString("base64")}`;
const BODY = '{"id":"evt_1","type":"a.b","timestamp":"2026-01-01T00:00:00Z","data":{"n":1}}';
const AT = 1_771_135_204;
const now = AT * 1000;

function signed(): Record<string, string> {
  const signature = new Webhook(SECRET).sign("evt_1", new Date(now), BODY);
  return { "webhook-id": "evt_1", "webhook-timestamp": String(AT), "webhook-signature": signature };
}

test("what an independent signer signed is accepted, in any shape of headers and body", async () => {
  const event = await webhooks.unwrap(BODY, signed(), SECRET, { now });
  assert.deepEqual([event.id, event.data], ["evt_1", { n: 1 }]);
  await webhooks.verifySignature(new TextEncoder().encode(BODY), new Headers(signed()), SECRET, { now });
  const upper = Object.fromEntries(Object.entries(signed()).map(([name, value]) => [name.toUpperCase(), [value]]));
  await webhooks.verifySignature(BODY, upper, ["another-secret-1", SECRET], { now });
});

test("any of several signatures will do, and a plain secret signs with its bytes", async () => {
  const headers = signed();
  headers["webhook-signature"] = `v1,AAAA v2,xyz not-one ${headers["webhook-signature"]}`;
  await webhooks.verifySignature(BODY, headers, SECRET, { now });
  const digest = createHmac("sha256", "a-plain-secret-16").update(`evt_1.${AT}.${BODY}`).digest("base64");
  await webhooks.verifySignature(BODY, { ...headers, "webhook-signature": `v1,${digest}` }, "a-plain-secret-16", { now });
});

test("everything else is refused", async () => {
  const changes: Record<string, string>[] = [
    { "webhook-signature": "v1,AAAA" },
    { "webhook-signature": "v1,é" },
    { "webhook-signature": "" },
    { "webhook-timestamp": "soon" },
    { "webhook-timestamp": String(AT + 1) },
    { "webhook-id": "evt_2" },
  ];
  const refused = (promise: Promise<unknown>): Promise<void> => assert.rejects(promise, WebhookVerificationError);
  for (const change of changes) await refused(webhooks.unwrap(BODY, { ...signed(), ...change }, SECRET, { now }));
  await refused(webhooks.unwrap(`${BODY} `, signed(), SECRET, { now }));
  await refused(webhooks.unwrap(BODY, signed(), "whsec_###", { now }));
  await refused(webhooks.unwrap(BODY, signed(), SECRET, { now: now + 301_000 }));
  await refused(webhooks.unwrap(BODY, signed(), SECRET, { now: now - 301_000 }));
  await refused(webhooks.verifyBodySignature(BODY, "sha256=00", SECRET));
});

test(
  "what the broker sends is accepted by both signatures",
  withBroker(async (_, client) => {
    const got: { headers: Record<string, string>; body: string }[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        got.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks).toString() });
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/`;
      const destination = await client.destinations.create({ url, verification: "none" });
      const secret = destination.secret ?? "";
      const published = await client.events.publish({ type: "pipeline.completed", data: { rows_loaded: 3 } });
      const { headers, body } = await eventually("a delivery", () => got[0]);
      const event = await webhooks.unwrap<Event>(body, headers, secret);
      assert.deepEqual([event.id, event.data], [published.id, { rows_loaded: 3 }]);
      await webhooks.verifyBodySignature(body, headers["x-campanile-signature"] ?? "", secret);
      // So does a package that knows nothing of the broker, and it refuses what was changed.
      const independent = new Webhook(secret);
      assert.deepEqual((independent.verify(body, headers) as { data: unknown }).data, { rows_loaded: 3 });
      assert.throws(() => independent.verify(`${body} `, headers));
      assert.throws(() => independent.verify(body, { ...headers, "webhook-id": "evt_2" }));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }),
);
