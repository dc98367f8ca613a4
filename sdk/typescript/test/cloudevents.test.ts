/** The CloudEvents SDK for JavaScript, an independent one, against the real broker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudEvent, HTTP, type Message } from "cloudevents";
import { KEY, withBroker } from "./broker.js";

const ATTRIBUTES = {
  id: "ce-1",
  type: "order.paid",
  source: "/shop",
  subject: "order 7",
  time: "2026-02-15T06:00:04.700Z",
  datacontenttype: "application/json",
};

for (const [mode, write] of [["structured", HTTP.structured], ["binary", HTTP.binary]] as const) {
  test(
    `the CloudEvents SDK publishes in ${mode} mode and reads`,
    withBroker(async (broker, client) => {
      const message: Message = write(new CloudEvent({ ...ATTRIBUTES, data: { amount: 5 } }));
      const key = { Authorization: `Bearer ${KEY}` };
      const headers = { ...(message.headers as Record<string, string>), ...key };
      const url = `${broker.url}/api/v1/events`;
      const published = await fetch(url, { method: "POST", headers, body: message.body as string });
      assert.equal(published.status, 201, await published.text());
      assert.deepEqual((await client.events.get("ce-1")).data, { amount: 5 });
      const answer = await fetch(`${url}/ce-1`, { headers: { ...key, Accept: "application/cloudevents+json" } });
      const read = HTTP.toEvent({ headers: Object.fromEntries(answer.headers), body: await answer.text() });
      assert(read instanceof CloudEvent);
      const { id, type, source, subject, time, data } = read;
      const { datacontenttype: _, ...wanted } = ATTRIBUTES;
      assert.deepEqual({ id, type, source, subject, time: time && new Date(time).toISOString(), data }, { ...wanted, data: { amount: 5 } });
    }),
  );
}
