/** The console by keys alone: signing in, going about, changing the colours, signing out. */
import assert from "node:assert/strict";
import { KEY, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage({ catalogs: ["acme"] });

/** What has the focus, as it is called, and whether one sees that it has. */
const focus = (page) =>
  page.evaluate(() => {
    const { tagName, textContent } = document.activeElement;
    return { tag: tagName, text: textContent.trim(), seen: getComputedStyle(document.activeElement).outlineStyle !== "none" };
  });

/** Presses Tab until the focus is where it should be; every place on the way must be seen. */
async function tabTo(page, text) {
  for (let press = 0; press < 40; press += 1) {
    await page.keyboard.press("Tab");
    const now = await focus(page);
    if (now.tag !== "BODY") assert(now.seen, `one does not see that ${now.tag} ${now.text} has the focus`);
    if (now.text === text) return;
  }
  assert.fail(`${text} is not reached`);
}

scene("nobody needs a mouse", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  const { keyboard } = page;
  const title = (name) => page.getByRole("heading", { level: 1, name }).waitFor();
  await page.getByLabel("API key").waitFor();
  await eventually("one begins to write at once", async () => (await focus(page)).tag === "INPUT");
  await keyboard.type(KEY);
  await keyboard.press("Enter");
  await title("Overview");
  await tabTo(page, "To the content");
  await keyboard.press("Enter");
  await eventually("the content has the focus", () => page.evaluate(() => document.activeElement.id === "main"));
  await keyboard.type("gt");
  await title("Event types");
  await page.getByLabel("Find").waitFor();
  await keyboard.press("/");
  await keyboard.type("gd");
  assert.equal(await page.getByLabel("Find").inputValue(), "gd", "a key that one writes leads nowhere");
  await page.evaluate(() => document.activeElement.blur());
  await keyboard.type("gd");
  await title("Destinations");
  await keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await tabTo(page, "Colours: auto");
  await keyboard.press("Enter");
  await keyboard.press("Space");
  await page.getByRole("button", { name: "Colours: dark" }).waitFor();
  await eventually("the page is dark", async () => (await ground()) !== light);
  await tabTo(page, "Sign out");
  await keyboard.press("Enter");
  await page.getByLabel("API key").waitFor();
  await person.leave();
});
