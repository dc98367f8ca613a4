/** Tabs of one browser that watch the same: one stream for all of them, and none misses what another one heard. */
import assert from "node:assert/strict";
import { KEY, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

/** More than the six connections that a browser has for one origin. */
const TABS = 8;

const { browser, broker } = await stage();

const live = (page) => page.getByRole("status").filter({ hasText: "live" }).waitFor();
const shows = (page, type) => page.getByRole("button", { name: type, exact: true }).waitFor();

/** How many streams the broker has open. */
async function streams() {
  const answer = await fetch(`${broker.url}/metrics`, { headers: { Authorization: `Bearer ${KEY}` } });
  return Number(/^campanile_streams (\d+)$/m.exec(await answer.text())[1]);
}

const streamsBecome = (amount) => eventually(`${amount} streams are open`, async () => (await streams()) === amount);

/** Makes a page believe that nobody looks at it, or that somebody does again. */
const look = (page, state) =>
  page.evaluate((now) => {
    Object.defineProperty(document, "visibilityState", { value: now, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);

async function watching(person, type) {
  await person.signIn();
  await person.go(`live?type=${type}`);
  await live(person.page);
}

scene("eight tabs share one stream, also when those that read it go one after the other", async () => {
  const person = await Person.arrive(browser, broker);
  await watching(person, "eight.*");
  const tabs = [person.page];
  while (tabs.length < TABS) tabs.push(await person.open("#/live?type=eight.*"));
  for (const tab of tabs) await live(tab);
  await broker.publish({ type: "eight.first" });
  for (const tab of tabs) await shows(tab, "eight.first");
  await streamsBecome(1);
  for (const event of ["eight.second", "eight.third"]) {
    await tabs.shift().close();
    await broker.publish({ type: event });
    for (const tab of tabs) await shows(tab, event);
    await streamsBecome(1);
  }
  const listed = await tabs.at(-1).locator("tbody button").allInnerTexts();
  assert.deepEqual(listed, ["eight.third", "eight.second", "eight.first"], "each once");
  await person.leave();
  await streamsBecome(0);
});

scene("a tab that nobody sees reads nothing, and has it all when it is looked at again", async () => {
  const person = await Person.arrive(browser, broker);
  await watching(person, "seen.*");
  await streamsBecome(1);
  await look(person.page, "hidden");
  await streamsBecome(0);
  await broker.publish({ type: "seen.late" });
  const other = await person.open("#/live?type=seen.*");
  await shows(other, "seen.late");
  await live(other);
  await look(person.page, "visible");
  await broker.publish({ type: "seen.now" });
  await shows(other, "seen.now");
  await shows(person.page, "seen.now");
  await shows(person.page, "seen.late");
  await person.leave();
});

scene("a tab that opens misses nothing that comes while it loads", async () => {
  const person = await Person.arrive(browser, broker);
  await watching(person, "load.*");
  await person.context.route("**/api/v1/events?*", async (route) => {
    const answer = await route.fetch();
    await broker.publish({ type: "load.meanwhile" });
    await shows(person.page, "load.meanwhile");
    await route.fulfill({ response: answer });
  });
  const other = await person.open("#/live?type=load.*");
  await live(other);
  await shows(other, "load.meanwhile");
  assert.equal(await other.getByRole("button", { name: "load.meanwhile" }).count(), 1);
  await person.leave();
});
