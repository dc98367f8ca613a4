/** Events as they happen: as they come, in many at once, shared by tabs, over a restart. */
import assert from "node:assert/strict";
import { READER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage();

const liveSoon = (page) => page.getByRole("status").filter({ hasText: "live" }).waitFor();

scene("events appear as they are published, filtered, with their payload to the letter", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn(READER);
  await person.go("live");
  await page.getByText("No event yet").waitFor();
  await page.getByText("curl -N").waitFor();
  await person.inspect("live-empty");
  await liveSoon(page);
  await broker.publish({ type: "pipeline.started", pipeline: "user-analytics", run_id: "run_1" });
  await page.getByRole("button", { name: "pipeline.started" }).waitFor();
  const precise = `{"type": "a.b", "data": {"z": 1, "2": 12345678901234567890, "1": 1.50, "mark": "<b>&"}}`;
  await broker.callText("POST", "/api/v1/events", precise);
  await page.getByRole("button", { name: "a.b" }).click();
  const payload = page.getByRole("region", { name: "Event" }).filter({ hasText: '"z"' });
  await payload.filter({ hasText: '"2": 12345678901234567890,' }).waitFor();
  assert.match(await payload.innerText(), /"z": 1,\n\s+"2": 12345678901234567890,\n\s+"1": 1\.50,\n\s+"mark": "<b>&"/);
  await person.inspect("live");
  await page.getByLabel("Type").fill("a.*");
  await page.getByRole("button", { name: "Filter" }).click();
  await eventually("the list is filtered", async () => (await page.getByRole("button", { name: "pipeline.started" }).count()) === 0);
  await page.getByLabel("Filter (CEL)").fill("data.rows >");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("alert").filter({ hasText: "line 1" }).waitFor();
  await person.leave();
});

scene("what one writes into the filters stays while events come", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("live");
  await liveSoon(page);
  await page.getByLabel("Filter (CEL)").fill("data.n > ");
  await broker.publish({ type: "while.writing", data: { n: 1 } });
  await page.getByRole("button", { name: "while.writing" }).waitFor();
  await page.getByLabel("Filter (CEL)").pressSequentially("5");
  assert.equal(await page.getByLabel("Filter (CEL)").inputValue(), "data.n > 5");
  await page.keyboard.press("Enter");
  await eventually("the list is filtered", async () => (await page.getByRole("button", { name: "while.writing" }).count()) === 0);
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByRole("button", { name: "while.writing" }).waitFor();
  assert.equal(await page.getByLabel("Filter (CEL)").inputValue(), "");
  await person.leave();
});

scene("pausing holds the list and loses nothing of the count", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("live?type=hold.*");
  await liveSoon(page);
  await page.getByRole("button", { name: "Pause" }).click();
  await broker.publishMany(Array.from({ length: 20 }, (_, n) => ({ type: "hold.on", data: { n } })));
  const on = page.getByRole("button", { name: "Go on (20 newer)" });
  await on.waitFor();
  assert.equal(await page.getByRole("button", { name: "hold.on" }).count(), 0);
  await on.click();
  await eventually("all are listed", async () => (await page.getByRole("button", { name: "hold.on" }).count()) === 20);
  await person.leave();
});

scene("two tabs read one stream, and the second takes over when the first goes", async () => {
  const person = await Person.arrive(browser, broker);
  const streams = [];
  person.context.on("request", (request) => request.url().includes("/events/stream") && streams.push(request.url()));
  await person.signIn();
  await person.go("live?type=tab.*");
  await liveSoon(person.page);
  const second = await person.open("#/live?type=tab.*");
  await liveSoon(second);
  await broker.publish({ type: "tab.one" });
  for (const page of [person.page, second]) await page.getByRole("button", { name: "tab.one" }).waitFor();
  assert.equal(streams.length, 1);
  await person.page.close();
  await broker.publish({ type: "tab.two" });
  await second.getByRole("button", { name: "tab.two" }).waitFor();
  assert.equal(streams.length, 2);
  assert.equal(await second.getByRole("button", { name: "tab.one" }).count(), 1);
  await person.leave();
});

scene("after a restart of the broker the stream goes on where it was", async () => {
  const person = await Person.arrive(browser, broker);
  await person.signIn();
  await person.go("live?type=again.*");
  await liveSoon(person.page);
  await broker.kill();
  await person.page.getByRole("status").filter({ hasText: "connecting" }).waitFor();
  await broker.start();
  await broker.publish({ type: "again.here" });
  await person.page.getByRole("button", { name: "again.here" }).waitFor();
  await person.leave();
});
