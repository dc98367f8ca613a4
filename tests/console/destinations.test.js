/** Destinations from the first to the last: made, verified, failing, sent again, replayed; what a key without rights sees. */
import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { ONLOOKER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { Receiver } from "./receiver.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage({ catalogs: ["acme"] });
let receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(() => receiver.stop());

const button = (within, name) => within.getByRole("button", { name, exact: true });
const choose = (page, name) => page.getByRole("link", { name, exact: true }).click();
const title = (page, word) => page.getByRole("heading", { level: 1 }).filter({ hasText: word }).waitFor();
const cell = (page, word) => page.getByRole("cell", { name: word }).first().waitFor();

/** A button that asks first: it is pressed, and what it asks is agreed to. */
async function agree(page, name) {
  await button(page, name).click();
  await button(page.getByRole("dialog"), name).click();
}

/** A destination at the receiver that gets every event of a type. */
const destinationOf = (description, events) =>
  broker.call("POST", "/api/v1/destinations", { url: receiver.at("hook"), description, events, verification: "none" });

/** What the broker says in the end of all deliveries of a destination. */
const settled = (id, status, amount) =>
  eventually(`${amount} deliveries are ${status}`, async () => {
    const { data } = await broker.call("GET", `/api/v1/destinations/${id}/deliveries?status=${status}&limit=1000`);
    return data.length === amount;
  });

scene("a destination is made by hand: tried out first, verified by its challenge, then sent what was picked", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("destinations");
  await page.getByText("No destination yet").waitFor();
  await choose(page, "New destination");
  await page.getByLabel("URL").fill(receiver.at("hook"));
  await page.getByLabel("Description").fill("Billing");
  await page.getByLabel("Find a type").fill("completed");
  await page.getByLabel("pipeline.completed", { exact: true }).check();
  await page.getByText("1 ticked").waitFor();
  await button(page, "Send a test first").click();
  await page.getByRole("status").filter({ hasText: "passed HTTP 204" }).waitFor();
  assert.deepEqual(receiver.types, ["pipeline.completed"]);
  await button(page, "Create").click();
  await title(page, "Destination created");
  assert.match(await page.locator(".secret pre").innerText(), /^whsec_/);
  await choose(page, "To the destination");
  await title(page, "Billing ● active");
  const asked = receiver.heard.find(({ body }) => body.type === "event_destination.verification");
  assert(asked.body.data.challenge);
  await broker.publish({ type: "pipeline.started", pipeline: "user-analytics" });
  await broker.publish({ type: "pipeline.completed", pipeline: "user-analytics", data: { rows_loaded: 950 } });
  await choose(page, "Deliveries");
  await cell(page, "delivered");
  assert.equal(await page.locator("tbody tr").count(), 1);
  assert.deepEqual(receiver.types, ["pipeline.completed", "pipeline.completed"]);
  assert.equal(receiver.heard.at(-1).body.data.rows_loaded, 950);
  await person.leave();
});

scene("an endpoint that does not agree is sent nothing until it does", async () => {
  receiver.consents = false;
  const { id } = await broker.call("POST", "/api/v1/destinations", { url: receiver.at("hook"), description: "Shy", events: ["shy.*"] });
  await broker.publish({ type: "shy.one" });
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`destinations/${id}`);
  await page.getByText("The endpoint has not agreed yet").waitFor();
  await button(page, "Verify").click();
  await page.getByRole("status").filter({ hasText: "failed HTTP 404" }).waitFor();
  assert.deepEqual(receiver.types, []);
  receiver.consents = true;
  await button(page, "Verify").click();
  await page.getByRole("status").filter({ hasText: "passed HTTP 200" }).waitFor();
  await title(page, "Shy ● active");
  await eventually("what waited is sent", () => receiver.types.includes("shy.one"));
  await person.leave();
});

scene("a failure shows every attempt with request and answer, and is sent again", async () => {
  Object.assign(receiver, { status: 500, body: "<b>no space</b>" });
  const { id } = await destinationOf("Broken", ["order.*"]);
  const event = await broker.publish({ type: "order.paid", data: { amount: 5 } });
  await settled(id, "dead", 1);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("destinations");
  await page.getByRole("row").filter({ hasText: "Broken" }).getByRole("img", { name: "0 of the newest 1 delivered" }).waitFor();
  await choose(page, "Broken");
  await choose(page, "Dead letters");
  await choose(page, "order.paid");
  const second = page.getByRole("region", { name: "Attempt 2" });
  await second.getByText("HTTP 500").waitFor();
  await page.getByRole("region", { name: "Attempt 1" }).waitFor();
  await second.getByText("<b>no space</b>").waitFor();
  await second.getByText("Request").click();
  const sent = await second.locator("pre").first().innerText();
  assert.match(sent, new RegExp(`webhook-id: ${event.id}`));
  assert.match(sent, /webhook-signature: v1,\[redacted\]/);
  receiver.status = 204;
  await button(page, "Resend now").click();
  await page.getByRole("heading", { name: "Delivery of order.paid delivered" }).waitFor();
  await page.getByRole("region", { name: "Attempt 3" }).getByText("HTTP 204").waitFor();
  assert.equal(receiver.heard.filter(({ headers }) => headers["webhook-id"] === event.id).length, 3);
  await person.leave();
});

scene("a replay is counted first, shows its progress, and is stopped", async () => {
  receiver.status = 500;
  const { id } = await destinationOf("Late", ["late.*"]);
  await broker.publishMany(Array.from({ length: 5 }, (_, n) => ({ type: "late.one", data: { n } })));
  await settled(id, "dead", 5);
  receiver.status = 204;
  receiver.heard.length = 0;
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`destinations/${id}/replays`);
  await page.getByText("No replay yet").waitFor();
  assert(await button(page, "Send again").isDisabled());
  await page.getByLabel("From").fill("2020-01-01T00:00:00");
  await button(page, "Count").click();
  await page.getByText("5 events would be sent").waitFor();
  await button(page, "Send again").click();
  await page.getByRole("progressbar", { name: "5 of 5 sent" }).waitFor();
  await cell(page, "done");
  assert.equal(receiver.heard.length, 5);
  assert(receiver.heard.every(({ headers }) => headers["x-campanile-replay"]));
  await page.getByLabel("Which").selectOption("all");
  await page.getByLabel("At most a second").fill("1");
  await button(page, "Count").click();
  await page.getByText("5 events would be sent").waitFor();
  await broker.publishMany(Array.from({ length: 100 }, (_, n) => ({ type: "late.two", data: { n } })));
  await settled(id, "delivered", 105);
  await button(page, "Send again").click();
  await agree(page, "Stop");
  await cell(page, "stopped");
  await person.leave();
});

scene("secrets are rotated, a destination is switched off and on and deleted, each after a question", async () => {
  const { id, secret } = await destinationOf("Spare", ["spare.*"]);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`destinations/${id}`);
  await agree(page, "Rotate the secret");
  const shown = page.getByRole("dialog", { name: "The new secret" });
  assert.match(await shown.locator("pre").innerText(), /^whsec_/);
  assert.notEqual(await shown.locator("pre").innerText(), secret);
  await page.keyboard.press("Escape");
  await agree(page, "Deactivate");
  await page.getByText("Switched off by a person").waitFor();
  await broker.publish({ type: "spare.one" });
  await button(page, "Activate").click();
  await title(page, "Spare ● active");
  await eventually("what waited is sent", () => receiver.types.includes("spare.one"));
  await agree(page, "Delete");
  await title(page, "Destinations");
  await eventually("it is gone", async () => (await page.getByRole("link", { name: "Spare" }).count()) === 0);
  await person.leave();
});

scene("settings are changed, what is wrong with them is said, and what others changed meanwhile stays", async () => {
  const { id } = await destinationOf("To be changed", ["change.*"]);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`destinations/${id}`);
  await choose(page, "Change");
  const form = page.getByRole("form", { name: "Settings" });
  await form.waitFor();
  assert(await button(page, "Save").isDisabled(), "nothing was changed");
  await person.inspect("destination-edit");
  await form.getByLabel("Description").fill("Renamed");
  await form.getByLabel("Filter (CEL)").fill("data.rows >");
  await button(page, "Save").click();
  await page.getByRole("alert").filter({ hasText: "line 1" }).waitFor();
  await form.getByLabel("Filter (CEL)").fill("data.rows > 10");
  await form.getByLabel("Order").selectOption("run_id");
  await form.getByLabel("Tried again after").fill("1, 60, 3600");
  await form.getByLabel("Requests a second").fill("many");
  await button(page, "Save").click();
  await page.getByRole("alert").waitFor();
  await form.getByLabel("Requests a second").fill("50");
  await form.getByLabel("Further headers").fill("X-Team: data\nX-Region: eu: west");
  await broker.call("PATCH", `/api/v1/destinations/${id}`, { timeout_ms: 4000 });
  await button(page, "Save").click();
  await title(page, "Renamed ● active");
  const { filter, ordering, retry, rate_limit_per_s, headers, timeout_ms } = await broker.call("GET", `/api/v1/destinations/${id}`);
  assert.deepEqual({ filter, ordering, retry, rate_limit_per_s, headers, timeout_ms }, {
    filter: "data.rows > 10", ordering: "run_id", retry: { enabled: true, schedule_s: [1, 60, 3600] },
    rate_limit_per_s: 50, headers: { "X-Team": "data", "X-Region": "eu: west" }, timeout_ms: 4000,
  });
  await choose(page, "Change");
  await form.getByLabel("Filter (CEL)").fill("");
  await form.getByLabel("Requests a second").fill("");
  await button(page, "Save").click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  const cleared = await broker.call("GET", `/api/v1/destinations/${id}`);
  assert.deepEqual([cleared.filter, cleared.rate_limit_per_s, cleared.description], [null, null, "Renamed"]);
  await person.leave();
});

scene("what a key may not do is not offered, and is refused when it is tried all the same", async () => {
  receiver.status = 500;
  const { id } = await destinationOf("Looked at", ["look.*"]);
  await broker.publish({ type: "look.one" });
  await settled(id, "dead", 1);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn(ONLOOKER);
  await person.go("destinations");
  await choose(page, "Looked at");
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  assert.equal(await page.getByRole("main").getByRole("button").count(), 0);
  for (const tab of ["Deliveries", "Dead letters"]) {
    await choose(page, tab);
    await cell(page, "dead");
    assert.equal(await page.getByRole("main").getByRole("button").count(), 0, tab);
  }
  await choose(page, "look.one");
  await page.getByRole("region", { name: "Attempt 1" }).waitFor();
  assert.equal(await button(page, "Resend now").count(), 0);
  await choose(page, "Replays");
  await page.getByText("No replay yet").waitFor();
  assert.equal(await button(page, "Send again").count(), 0);
  await person.go("destinations");
  await title(page, "Destinations");
  assert.equal(await page.getByRole("link", { name: "New destination" }).count(), 0);
  assert.deepEqual(person.refusals.filter((text) => !text.includes("401")), [], "nothing was asked in vain");
  const refused = await page.evaluate(async (at) => {
    const answer = await fetch(at, { method: "DELETE", headers: { "X-Campanile-Session": "1" } });
    return answer.status;
  }, `/api/v1/destinations/${id}`);
  assert.equal(refused, 403);
  await broker.call("GET", `/api/v1/destinations/${id}`);
  await person.leave();
});
