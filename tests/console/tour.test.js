/**
 * A tour of every page on a broker with something on it: each is accessible in light and in dark, fits a phone, and has its
 * picture taken, those for the documents included (`RENEW_IMAGES=1 npm test`).
 */
import assert from "node:assert/strict";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "./broker.js";
import { Person } from "./browser.js";
import { Receiver } from "./receiver.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage({ catalogs: ["acme", "taruvi"] });
const receiver = await Receiver.start();
after(() => receiver.stop());
/** What is on the broker: a healthy destination, one that fails, one that has not agreed; a function and a run of it. */
const known = {};

/** One run of a pipeline, as it is published. */
const run = (run_id, end) => {
  const began = Date.now() - 4200;
  const of = (type, after, data) => {
    const timestamp = new Date(began + after).toISOString();
    return { type: `pipeline.${type}`, pipeline: "user-analytics", run_id, timestamp, data };
  };
  return [
    of("started", 0, {}),
    of("stage.extract", 1100, { rows: 1300, duration_ms: 1100 }),
    of("stage.transform", 2900, { rows: 950, duration_ms: 1800 }),
    ...(end === "failed" ? [] : [of("stage.load", 4200, { rows: 950, duration_ms: 1300 })]),
    of(end, 4200, end === "failed" ? { error: "the warehouse is full" } : { status: "success", rows_loaded: 950, duration_ms: 4200 }),
  ];
};

const destination = (path, description, rest) =>
  broker.call("POST", "/api/v1/destinations", { url: receiver.at(path), description, ...rest });

const statusIs = (id, wanted) =>
  eventually(`${id} is ${wanted}`, async () => (await broker.call("GET", `/api/v1/destinations/${id}`)).status === wanted);

const counted = (id, status, amount) =>
  eventually(`${amount} are ${status}`, async () => {
    const { data } = await broker.call("GET", `/api/v1/destinations/${id}/deliveries?status=${status}&limit=1000`);
    return data.length === amount && data;
  });

/** Something for the charts of the pictures: runs that come one after the other for a while. Only when pictures are renewed. */
async function traffic() {
  if (!process.env.RENEW_IMAGES) return;
  for (let number = 10; number < 34; number += 1) {
    await broker.publishMany(run(`run_0${number}`, "completed").slice(number % 4));
    await pause(400);
  }
}

async function furnish() {
  receiver.answers = { "/bi": [500, "out of space"], "/check": [200, '{"reject": {"code": "TAKEN", "message": "that name is taken"}}'] };
  const dashboard = await destination("dashboard", "Dashboard", { events: ["pipeline.*"], verification: "none" });
  const bi = await destination("bi", "Warehouse", { events: ["pipeline.completed", "pipeline.failed"], verification: "none" });
  receiver.consents = false;
  const pager = await destination("pager", "Pager", { events: ["pipeline.failed"], verification: "challenge" });
  for (let number = 1; number <= 6; number += 1) {
    await broker.publishMany(run(`run_00${number}`, number % 3 ? "completed" : "failed"));
  }
  await counted(dashboard.id, "delivered", 28);
  const [dead] = await counted(bi.id, "dead", 6);
  await statusIs(pager.id, "pending");
  const replay = { only: "all", since: "2020-01-01T00:00:00Z" };
  await broker.call("POST", `/api/v1/destinations/${dashboard.id}/replay`, replay);
  await eventually("the replay is done", async () => {
    const { data } = await broker.call("GET", `/api/v1/replays?destination_id=${dashboard.id}`);
    return data[0].status === "done";
  });
  const check = await broker.call("POST", "/api/v1/functions", { name: "Check the name", url: receiver.at("check") });
  await broker.call("POST", "/api/cloud/events/PRE_USER_CREATE/subscribe/", { function_id: check.id });
  const proposal = { type: "PRE_USER_CREATE", data: { username: "ada", email: "ada@example.com" } };
  await assert.rejects(broker.call("POST", "/api/v1/events?wait=true", proposal), /422/);
  const { data } = await broker.call("GET", "/api/v1/invocations");
  Object.assign(known, { dashboard: dashboard.id, bi: bi.id, pager: pager.id, dead: dead.id, event: dead.event_id, invocation: data[0].id });
}

/** Every page: the name of its picture, its address, and what is on it when it is all there. */
const PAGES = [
  ["overview", () => "", (page) => page.getByText("Worst lag"), true],
  ["destinations", () => "destinations", (page) => page.getByRole("img", { name: /delivered$/ }).nth(2)],
  ["destination-new", () => "destinations/new", (page) => page.getByLabel("pipeline.completed", { exact: true })],
  ["destination", () => `destinations/${known.dashboard}`, (page) => page.getByText("Latency, p95")],
  ["destination-pending", () => `destinations/${known.pager}`, (page) => page.getByText("has not agreed yet")],
  ["deliveries", () => `destinations/${known.bi}/deliveries`, (page) => cell(page, "dead")],
  ["dead-letters", () => `destinations/${known.bi}/dead`, (page) => cell(page, "dead")],
  ["delivery", () => `destinations/${known.bi}/deliveries/${known.dead}`, (page) => page.getByRole("region", { name: "Attempt 1" })],
  ["replays", () => `destinations/${known.dashboard}/replays`, (page) => cell(page, "done")],
  ["functions", () => "functions", (page) => cell(page, "Check the name")],
  ["subscriptions", () => "functions/subscriptions?event=PRE_USER_CREATE", (page) => cell(page, "the publish fails")],
  ["invocations", () => "functions/invocations", (page) => page.getByText("Publish refused.")],
  ["invocation", () => `functions/invocations/${known.invocation}`, (page) => page.getByRole("region", { name: "Attempts" })],
  ["apps", () => "functions/apps", (page) => cell(page, "Default")],
  ["events", () => "events", (page) => page.getByRole("region", { name: "Events, newest first" })],
  ["event", () => `events/${known.event}`, (page) => page.getByText("out of space").first()],
  ["runs", () => "runs", (page) => page.getByRole("region", { name: "Runs, newest first" })],
  ["run", () => "runs/run_001", (page) => page.getByRole("img", { name: /^load: from/ })],
  ["types", () => "types", (page) => cell(page, "A pipeline run begins.")],
  ["type", () => "types/pipeline.completed", (page) => page.getByRole("heading", { name: "Schema of the data" })],
  ["type-new", () => "types?new=1", (page) => page.getByRole("form", { name: "Event type" })],
  ["destination-edit", () => `destinations/${known.dashboard}/edit`, (page) => page.getByRole("form", { name: "Settings" })],
  ["live", () => "live", (page) => page.getByRole("status").filter({ hasText: "live" }), true],
];

const cell = (page, name) => page.getByRole("cell", { name }).first();

await furnish();

scene("a run arrives, event by event, while one looks on", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("live?pipeline=user-analytics");
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  const events = run("run_007", "completed");
  for (const event of events) {
    await broker.publish(event);
    await page.getByRole("row").filter({ hasText: "run_007" }).getByRole("button", { name: event.type }).waitFor();
  }
  const listed = await page.getByRole("row").filter({ hasText: "run_007" }).getByRole("button").allInnerTexts();
  assert.deepEqual(listed, events.map(({ type }) => type).reverse());
  await page.getByRole("row").filter({ hasText: "run_007" }).getByRole("button", { name: "pipeline.stage.load" }).click();
  await page.getByRole("complementary").getByText('"rows": 950').waitFor();
  await person.leave();
});

scene("signing in is accessible, and portrayed", async () => {
  const person = await Person.arrive(browser, broker, { viewport: { width: 1200, height: 800 } });
  await person.page.getByLabel("API key").waitFor();
  await person.portray("sign-in");
  await person.leave();
});

for (const [name, address, there, hasCharts] of PAGES) {
  scene(`the page ${name} is accessible in light and dark, portrayed, and fits a phone`, async () => {
    const person = await Person.arrive(browser, broker, { viewport: { width: 1200, height: 800 } });
    await person.signIn();
    await person.go(address());
    await there(person.page).waitFor();
    if (hasCharts) await traffic();
    await person.portray(name);
    await person.page.setViewportSize({ width: 360, height: 700 });
    await person.assertFits(name);
    await person.leave();
  });
}

scene("questions in front of a page are accessible too", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  const questions = [["functions", "New function"], [`destinations/${known.dashboard}`, "Delete"], ["", "Keyboard"]];
  for (const [address, name] of questions) {
    await person.go(address);
    await page.getByRole("button", { name, exact: true }).first().click();
    await page.getByRole("dialog", { name }).waitFor();
    await person.inspect(`dialog-${name.replace(" ", "-").toLowerCase()}`);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
  await person.leave();
});
