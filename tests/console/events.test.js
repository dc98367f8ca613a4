/** Events that are kept: found, leafed through, and one with everybody who was sent it. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { READER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage();

const rows = (page) => page.getByRole("region", { name: "Events, newest first" }).locator("tbody tr");

/** The sequence of numbers that the rows show as their data. */
const shown = async (page) => (await rows(page).locator("code").allInnerTexts()).map((text) => JSON.parse(text).n);

/** An endpoint that answers what `status` says at the time. */
async function endpoint() {
  const heard = { status: 500, requests: 0 };
  const server = createServer((request, answer) => {
    request.resume().on("end", () => {
      heard.requests += 1;
      answer.writeHead(heard.status, { "Content-Type": "text/plain" }).end(`answer ${heard.status}`);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  heard.url = `http://127.0.0.1:${server.address().port}/hooks`;
  heard.close = () => new Promise((resolve) => server.close(resolve));
  return heard;
}

scene("with no event there is a command that publishes one", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("events");
  await page.getByText("No event yet").waitFor();
  await page.getByText("curl -X POST").waitFor();
  await person.inspect("events-empty");
  await broker.publish({ type: "first.event" });
  await page.getByRole("link", { name: "first.event" }).waitFor();
  await person.leave();
});

scene("events are found by type, pipeline, run, time, payload and id", async () => {
  const old = "2026-01-02T03:04:05.678Z";
  await broker.publishMany([
    { type: "pipeline.started", pipeline: "find-me", run_id: "run_find", timestamp: old, data: { n: 1 } },
    { type: "pipeline.completed", pipeline: "find-me", run_id: "run_find", data: { n: 2, rows: 2000 } },
    { type: "pipeline.completed", pipeline: "not-me", run_id: "run_other", data: { n: 3, rows: 5 } },
    { id: "evt_by_its_id", type: "audit.login", data: { n: 4 } },
  ]);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn(READER);
  await person.go("events");
  const empty = () => page.getByRole("search").evaluate((form) => [...new FormData(form).values()].every((value) => value === ""));
  const clear = async () => {
    await page.getByRole("link", { name: "Clear" }).click();
    await eventually("the form is empty", async () => !page.url().includes("?") && (await empty()));
  };
  const finds = async (fields, wanted) => {
    await clear();
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByRole("button", { name: "Find" }).click();
    await eventually(JSON.stringify(fields), async () => JSON.stringify(await shown(page)) === JSON.stringify(wanted));
  };
  await finds({ Type: "pipeline.*", Pipeline: "find-me" }, [2, 1]);
  await finds({ Run: "run_find", Type: "pipeline.completed" }, [2]);
  await finds({ From: "2026-01-02T03:04:05", Until: "2026-01-02T03:04:06" }, [1]);
  await finds({ "Filter (CEL)": "data.rows > 1000" }, [2]);
  await person.inspect("events");
  await person.go("events?since=2026-01-02T03%3A04%3A05.678Z&until=2026-01-02T03%3A04%3A05.679Z");
  await eventually("exact times of an address hold", async () => String(await shown(page)) === "1");
  await page.getByRole("button", { name: "Find" }).click();
  await eventually("and are not rounded by the form", async () => page.url().includes("678Z") && String(await shown(page)) === "1");
  await clear();
  await page.getByLabel("Type").fill("no.such");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByText("No event passes").waitFor();
  await page.getByText("--data-urlencode 'type=no.such'").waitFor();
  await page.getByLabel("Filter (CEL)").fill("data.rows >");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("alert").filter({ hasText: "line 1" }).waitFor();
  await page.getByLabel("Event's id").fill("evt_by_its_id");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "audit.login" }).waitFor();
  await page.getByText("what came before").click();
  await eventually("those before it", async () => (await shown(page))[0] === 3);
  await person.go("events/evt_is_not_there");
  await page.getByRole("alert").filter({ hasText: "no such event" }).waitFor();
  await person.leave();
});

scene("one leafs through the log both ways", async () => {
  await broker.publishMany(Array.from({ length: 120 }, (_, n) => ({ type: "leaf.through", data: { n } })));
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn(READER);
  await person.go("events?type=leaf.*");
  const shows = (most, least) =>
    eventually(`${most} to ${least}`, async () => {
      const numbers = await shown(page);
      return numbers[0] === most && numbers.at(-1) === least && numbers.length === most - least + 1;
    });
  const leaf = (name) => page.getByRole("navigation", { name: "Further events" }).getByRole("link", { name, exact: true }).click();
  await shows(119, 70);
  await leaf("Older");
  await shows(69, 20);
  await leaf("Older");
  await shows(19, 0);
  await leaf("Newer");
  await shows(69, 20);
  await leaf("Newer");
  await shows(119, 70);
  await leaf("Oldest");
  await shows(49, 0);
  await page.goBack();
  await shows(119, 70);
  await broker.publish({ type: "leaf.newest", data: { n: 120 } });
  await shows(120, 71);
  await person.leave();
});

scene("an event says who was sent it, and is sent again", async () => {
  const heard = await endpoint();
  const destination = { url: heard.url, description: "billing", events: ["resend.*"], verification: "none", retry: { enabled: false } };
  const made = await broker.call("POST", "/api/v1/destinations", destination);
  const { id } = await broker.callText("POST", "/api/v1/events", `{"type": "resend.me", "run_id": "run_1", "data": {"big": 12345678901234567890}}`);
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`events/${id}`);
  await page.getByRole("region", { name: "Event" }).filter({ hasText: '"big": 12345678901234567890' }).waitFor();
  const delivery = page.getByRole("article", { name: "To billing" });
  await delivery.getByText("dead").waitFor();
  await delivery.getByText("HTTP 500").waitFor();
  await delivery.getByText("answer 500").waitFor();
  await person.inspect("event");
  heard.status = 200;
  await delivery.getByRole("button", { name: "Resend" }).click();
  await delivery.getByText("2 attempts").waitFor();
  await delivery.getByText("delivered").waitFor();
  await delivery.getByRole("link", { name: "billing" }).click();
  await page.getByRole("heading", { name: "Delivery of resend.me" }).waitFor();
  assert.equal(heard.requests, 2);
  await broker.call("DELETE", `/api/v1/destinations/${made.id}`);
  await heard.close();
  await person.leave();
});

scene("nobody was sent it: the page says what to do, and a key that may only read is not offered it", async () => {
  const { id } = await broker.publish({ type: "to.nobody" });
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`events/${id}`);
  await page.getByText("Nobody was sent it").waitFor();
  await page.getByText('"events": ["to.nobody"]').waitFor();
  await person.leave();
  const reader = await Person.arrive(browser, broker, { viewport: { width: 360, height: 700 } });
  await reader.signIn(READER);
  await reader.go(`events/${id}`);
  await reader.page.getByRole("heading", { name: "to.nobody" }).waitFor();
  assert.equal(await reader.page.getByText("Who was sent it").count(), 0);
  await reader.assertAccessible("an event on a phone");
  await reader.go("events");
  await reader.page.getByRole("link", { name: "to.nobody" }).waitFor();
  const [wide, seen] = await reader.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(wide <= seen, `the page is ${wide} wide on ${seen}`);
  assert.deepEqual(reader.refusals.filter((text) => !text.includes("401")), [], "nothing was asked in vain");
  await reader.leave();
});
