/** Types of events of one's own: defined, changed, removed. */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Broker, READER, eventually } from "./broker.js";
import { Person, launch } from "./browser.js";
import { scene } from "./scene.js";

let browser;
let broker;
before(async () => {
  [browser, broker] = await Promise.all([launch(), Broker.start()]);
});
after(async () => {
  await browser.close();
  await broker.stop();
});

scene("a type is defined with its schema, changed, and removed; a key that may only read is not offered it", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("types");
  await page.getByRole("link", { name: "New event type" }).click();
  const form = page.getByRole("form", { name: "Event type" });
  await form.getByLabel("Name").fill("order.paid");
  await form.getByLabel("Meaning").fill("An order was paid.");
  await form.getByLabel("Schema of the data").fill('{"type": "object", "required": ["amount"]');
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").filter({ hasText: "The schema is not JSON" }).waitFor();
  await form.getByLabel("Schema of the data").fill('{"type": "object", "required": ["amount"]}');
  await form.getByLabel("Sample of the data").fill("{}");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("alert").waitFor();
  await person.inspect("type-new");
  await form.getByLabel("Sample of the data").fill('{"amount": 5}');
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Schema of the data" }).waitFor();
  const { schema, sample } = await broker.call("GET", "/api/v1/event-types/order.paid");
  assert.deepEqual([schema, sample], [{ type: "object", required: ["amount"] }, { amount: 5 }]);
  await page.getByRole("link", { name: "Change", exact: true }).click();
  await form.getByLabel("Meaning").fill("An order was paid in full.");
  await form.getByLabel("It should not be used any more").check();
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("An order was paid in full.").waitFor();
  const changed = await broker.call("GET", "/api/v1/event-types/order.paid");
  assert.deepEqual([changed.schema, changed.deprecated], [schema, true], "what was not touched is as it was");
  const reader = await Person.arrive(browser, broker);
  await reader.signIn(READER);
  await reader.go("types/order.paid");
  await reader.page.getByText("An order was paid in full.").waitFor();
  assert.equal(await reader.page.getByRole("link", { name: "Change", exact: true }).count(), 0);
  await reader.go("types");
  await reader.page.getByRole("link", { name: "order.paid" }).waitFor();
  assert.equal(await reader.page.getByRole("link", { name: "New event type" }).count(), 0);
  await reader.leave();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await eventually("it is gone", async () => (await page.getByText("No event type is defined").count()) === 1);
  await person.leave();
});
