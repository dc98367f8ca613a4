/** Signing in and out, the overview, the frame around every page. */
import assert from "node:assert/strict";
import { KEY, READER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { Receiver } from "./receiver.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage();

scene("a key opens the console, a wrong one does not, and no script can read what was made of it", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await page.getByLabel("API key").waitFor();
  await person.inspect("sign-in");
  await page.getByLabel("API key").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").filter({ hasText: "not known" }).waitFor();
  await person.signIn();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const [cookie] = await person.context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  assert.equal(await page.evaluate(() => document.cookie), "");
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  assert(!kept.includes(KEY));
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  await page.reload();
  await page.getByLabel("API key").waitFor();
  await person.leave();
});

scene("the overview says what to do first, then what goes on", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  const empty = page.getByText("No event yet");
  await empty.waitFor();
  await page.getByText("curl -X POST").waitFor();
  await person.inspect("overview-empty");
  await broker.publishMany(Array.from({ length: 200 }, (_, n) => ({ type: "pipeline.progress", data: { n } })));
  await page.locator(".chart canvas").waitFor();
  assert.equal(await empty.count(), 0);
  await page.getByText("Events kept").locator("..").getByText("200").waitFor();
  await broker.publish({ type: "pipeline.completed", pipeline: "user-analytics" });
  await page.getByRole("link", { name: "pipeline.completed" }).waitFor();
  await person.inspect("overview");
  await person.leave();
});

/** In the page: whether the chart has a point in the colour of the last line of its key, which no other one covers. */
function lastLineIsDrawn() {
  const canvas = document.querySelector(".chart canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  // What is drawn is smoothed: a colour that is seen at all is nearly the one that was asked for.
  const isAt = (at, asked) => data[at + 3] > 80 && asked.every((part, of) => Math.abs(data[at + of] - part) < 10);
  const swatch = [...document.querySelectorAll(".chart .key i")].at(-1);
  const colour = getComputedStyle(swatch).backgroundColor.match(/\d+/g).map(Number);
  for (let at = 0; at < data.length; at += 4) if (isAt(at, colour)) return true;
  return false;
}

scene("what is delivered and what fails is seen beside what is published, and no figure is unknown", async () => {
  const receiver = await Receiver.start();
  receiver.answers = { "/bad": [500, "no"] };
  for (const path of ["good", "bad"]) {
    const draft = { url: receiver.at(path), description: path, events: ["seen.*"], verification: "none" };
    await broker.call("POST", "/api/v1/destinations", draft);
  }
  await broker.publish({ type: "seen.one" });
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  const figure = (name) => page.locator(".figure").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");
  const rises = async (name) => /[1-9]/.test(await figure(name).innerText());
  await page.locator(".chart canvas").waitFor();
  for (const name of ["Delivered per second", "Failed per second"]) {
    await eventually(`${name} rises`, async () => {
      await broker.publishMany(Array.from({ length: 20 }, (_, n) => ({ type: "seen.one", data: { n } })));
      return rises(name);
    });
  }
  await eventually("the line that lies on top of the others is drawn", () => page.evaluate(lastLineIsDrawn));
  const unknown = await page.locator("section").filter({ hasText: "Events kept" }).locator(".figure", { hasText: "–" }).allInnerTexts();
  assert.deepEqual(unknown, []);
  await person.leave();
  receiver.stop();
});

scene("a key that may only read is offered only that", async () => {
  const person = await Person.arrive(browser, broker);
  await person.signIn(READER);
  await person.page.getByText("Published per second").waitFor();
  assert.equal(await person.page.getByRole("heading", { name: "Broker" }).count(), 0);
  assert.equal(await person.page.getByRole("heading", { name: "Destinations" }).count(), 0);
  assert.deepEqual(person.refusals.filter((text) => !text.includes("401")), [], "nothing was asked in vain");
  await person.leave();
});

scene("colours and keys are a person's own choice, and the page fits a phone", async () => {
  const person = await Person.arrive(browser, broker, { viewport: { width: 360, height: 700 }, colorScheme: "dark" });
  const { page } = person;
  await person.signIn();
  await page.getByText("Published per second").waitFor();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "Colours: auto" }).click();
  await eventually("the page is light", async () => (await ground()) !== dark);
  await page.reload();
  await page.getByRole("button", { name: "Colours: light" }).waitFor();
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(wide <= seen, `the page is ${wide} wide on ${seen}`);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await person.assertAccessible("the list of keys on a phone");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await person.leave();
});

scene("a session that ends under one's hands leads to signing in, and a broker that is away is said", async () => {
  const person = await Person.arrive(browser, broker);
  await person.signIn();
  await person.page.getByText("Published per second").waitFor();
  await broker.kill();
  await person.page.getByText("the broker does not answer").first().waitFor();
  await broker.start();
  await eventually("it goes on", async () => (await person.page.getByText("the broker does not answer").count()) === 0);
  await person.context.clearCookies();
  await person.page.getByLabel("API key").waitFor();
  await person.leave();
});
