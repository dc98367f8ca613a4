/** Functions: made and subscribed by hand, a PRE event that one of them refuses and why, a POST event that runs. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { KEY, ONLOOKER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { Receiver } from "./receiver.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage({ catalogs: ["taruvi"] });
const receiver = await Receiver.start();
receiver.status = 200;
after(() => receiver.stop());

const button = (within, name) => within.getByRole("button", { name, exact: true });
const cell = (page, name) => page.getByRole("cell", { name, exact: true });

/** Publishes a PRE event and waits for its functions, as an application does. */
async function propose(username) {
  const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ type: "PRE_USER_CREATE", data: { username, email: "ada@example.com" } });
  const answer = await fetch(`${broker.url}/api/v1/events?wait=true`, { method: "POST", headers, body });
  return answer.status;
}

async function makeFunction(page, name) {
  await button(page, "New function").click();
  const dialog = page.getByRole("dialog", { name: "New function" });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("URL").fill(receiver.at("check"));
  await button(dialog, "Create").click();
  const made = page.getByRole("dialog").filter({ hasText: "It is shown this once" });
  assert.match(await made.locator("pre").innerText(), /^whsec_/);
  await made.getByRole("link", { name: "Subscribe it to an event" }).click();
}

scene("a PRE event that a function refuses shows who refused it and why", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("functions");
  await page.getByText("No function yet").waitFor();
  await makeFunction(page, "Check the name");
  await page.getByRole("combobox", { name: "Event" }).selectOption("PRE_USER_CREATE");
  await page.getByRole("heading", { name: "Subscribe a function to PRE_USER_CREATE" }).waitFor();
  await page.getByRole("combobox", { name: "Function" }).selectOption({ label: "Check the name" });
  await button(page, "Subscribe").click();
  await cell(page, "the publish fails").waitFor();
  receiver.body = "{}";
  assert.equal(await propose("ada"), 201);
  receiver.body = JSON.stringify({ reject: { code: "TAKEN", message: "that name is taken" } });
  assert.equal(await propose("bob"), 422);
  await person.go("functions/invocations");
  const refused = page.getByRole("row").filter({ hasText: "Publish refused. It refused (TAKEN): that name is taken" });
  await refused.waitFor();
  await eventually("both are listed", async () => (await page.locator("tbody tr").count()) === 2);
  await refused.getByRole("link", { name: "PRE_USER_CREATE" }).click();
  await page.getByText("This publish was refused.").waitFor();
  await page.getByRole("listitem").filter({ hasText: "Check the name: It refused (TAKEN)" }).waitFor();
  await refused.getByRole("link", { name: "Check the name" }).click();
  await page.getByRole("heading", { name: /Run \d+ of Check the name error/ }).waitFor();
  await page.getByRole("region", { name: "Attempts" }).getByText("that name is taken").waitFor();
  assert.equal(await button(page, "Run again").count(), 0, "a PRE event is over");
  await person.leave();
});

scene("a POST event runs its function, is run again by hand, and ends with the subscription", async () => {
  receiver.body = "{}";
  const made = await broker.call("POST", "/api/v1/functions", { name: "Welcome", url: receiver.at("welcome") });
  await broker.call("POST", "/api/cloud/events/POST_USER_CREATE/subscribe/", { function_id: made.id });
  const sample = await broker.call("GET", "/api/v1/event-types/POST_USER_CREATE/sample");
  await broker.publish({ type: "POST_USER_CREATE", data: sample.data });
  const heard = () => receiver.heard.filter(({ path }) => path === "/welcome").length;
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go(`functions/invocations?function_id=${made.id}`);
  await cell(page, "success").waitFor();
  await page.getByRole("link", { name: "Welcome" }).click();
  await button(page, "Run again").click();
  await eventually("it ran again", () => heard() === 2);
  await person.go("functions/subscriptions?event=POST_USER_CREATE");
  await button(page, "Unsubscribe").click();
  await button(page.getByRole("dialog"), "Unsubscribe").click();
  await page.getByText("No function is subscribed to it.").waitFor();
  await person.leave();
});

scene("apps are made and gone; a key that only looks is offered nothing to change", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn();
  await person.go("functions/apps");
  await page.getByLabel("New app").fill("CRM");
  await button(page, "Create").click();
  await cell(page, "CRM").waitFor();
  await page.getByRole("row").filter({ has: cell(page, "CRM") }).getByRole("button", { name: "Delete" }).click();
  await button(page.getByRole("dialog"), "Delete").click();
  await eventually("it is gone", async () => (await cell(page, "CRM").count()) === 0);
  await person.leave();
  const onlooker = await Person.arrive(browser, broker);
  await onlooker.signIn(ONLOOKER);
  for (const view of ["", "/subscriptions", "/invocations", "/apps"]) {
    await onlooker.go(`functions${view}`);
    await onlooker.page.locator("tbody tr, .empty").first().waitFor();
    assert.equal(await onlooker.page.getByRole("main").getByRole("button").filter({ hasNotText: "Copy" }).count(), 0, view);
  }
  assert.deepEqual(onlooker.refusals.filter((text) => !text.includes("401")), [], "nothing was asked in vain");
  await onlooker.leave();
});
