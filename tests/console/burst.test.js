/** Very many events on the page Live: what it keeps is bounded, and it goes on listening to the one who sits before it. */
import assert from "node:assert/strict";
import { eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

const EVENTS = 10_000;
const AT_ONCE = 200;
const FILLER = "x".repeat(4000);

/** What the page keeps may grow by this much; it does by less than a twentieth of it. All events would be twice as much. */
const MOST_GROWTH = 20_000_000;

const { browser, broker } = await stage();

const row = (page, name) => page.getByRole("button", { name, exact: true });
const rows = (page) => page.locator("tbody button");

/** Publishes the events from one number to another. */
async function publish(from, to) {
  for (let first = from; first < to; first += AT_ONCE) {
    const many = Array.from({ length: Math.min(AT_ONCE, to - first) }, (_, n) => ({ type: `many.n${first + n}`, data: { filler: FILLER } }));
    await broker.publishMany(many);
  }
}

/** The bytes that the page's script keeps after everything that can go is gone. */
async function kept(devtools) {
  await devtools.send("HeapProfiler.collectGarbage");
  return (await devtools.send("Runtime.getHeapUsage")).usedSize;
}

async function watching(person, type) {
  await person.signIn();
  await person.go(`live?type=${type}`);
  await person.page.getByRole("status").filter({ hasText: "live" }).waitFor();
}

scene("ten thousand events, half of them while it is paused, leave little behind", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await watching(person, "many.*");
  await publish(0, 300);
  await row(page, "many.n299").waitFor();
  const devtools = await person.context.newCDPSession(page);
  const before = await kept(devtools);
  await publish(300, EVENTS / 2);
  await row(page, `many.n${EVENTS / 2 - 1}`).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await publish(EVENTS / 2, EVENTS);
  await page.getByRole("button", { name: `Go on (${(EVENTS / 2).toLocaleString("en")} newer)` }).click();
  await row(page, `many.n${EVENTS - 1}`).waitFor();
  const grown = (await kept(devtools)) - before;
  console.log(`what the page keeps grew by ${grown} bytes`);
  assert(grown < MOST_GROWTH, `${grown} bytes more`);
  assert.equal(await rows(page).count(), 300);
  const elements = await page.evaluate(() => document.querySelectorAll("*").length);
  assert(elements < 4000, `${elements} elements`);
  await page.evaluate(([amount, size]) => {
    globalThis.all = Array.from({ length: amount }, (_, n) => JSON.stringify({ n, filler: "x".repeat(size) }));
  }, [EVENTS, FILLER.length]);
  assert((await kept(devtools)) - before > MOST_GROWTH, "this would be seen if the page kept every event");
  await row(page, `many.n${EVENTS - 1}`).click();
  await page.getByRole("complementary").filter({ hasText: "filler" }).waitFor();
  await person.leave();
});

scene("while a thousand events come at a time the page does what one asks of it", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await watching(person, "flood.*");
  let over = false;
  let sent = 0;
  const flood = (async () => {
    for (; !over; sent += 1000) await broker.publishMany(Array.from({ length: 1000 }, (_, n) => ({ type: `flood.n${sent + n}` })));
  })();
  try {
    await rows(page).nth(299).waitFor();
    const seen = sent;
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: /Go on \([1-9]/ }).waitFor();
    const first = await rows(page).first().innerText();
    await eventually("more come meanwhile", () => sent >= seen + 5000);
    assert.equal(await rows(page).first().innerText(), first, "the list is held");
    await page.getByRole("button", { name: /Go on/ }).click();
    await page.getByLabel("Type").fill("nothing.*");
    await page.keyboard.press("Enter");
    await page.getByText("No event matches yet").waitFor();
  } finally {
    over = true;
    await flood;
  }
  assert.equal(await rows(page).count(), 0);
  await person.leave();
});
