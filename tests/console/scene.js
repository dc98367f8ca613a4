/**
 * The stage of a file of tests, and its scenes: tests with persons at the console. One that fails prints what can be
 * known of it: what every page shows, what their browser complained of, what the broker wrote. Whoever is left over goes,
 * so that the next test begins alone.
 */
import { after, test } from "node:test";
import { Broker, running } from "./broker.js";
import { launch, present } from "./browser.js";

/** No scene is this long, even on a busy machine with two cores: one that is hangs. */
const LONGEST_MS = 240_000;

/** A browser and a broker for all scenes of a file; they go when the last one has been played. */
export async function stage(settings) {
  const [browser, broker] = await Promise.all([launch(), Broker.start(settings)]);
  after(async () => {
    await browser.close();
    await broker.stop();
  });
  return { browser, broker };
}

export function scene(name, play) {
  test(name, async () => {
    let timer;
    const hangs = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${LONGEST_MS} ms`)), LONGEST_MS);
    });
    try {
      await Promise.race([play(), hangs]);
    } catch (error) {
      await report(name);
      throw error;
    } finally {
      clearTimeout(timer);
      await sendAway();
    }
  });
}

async function report(name) {
  console.log(`\n===== ${name}`);
  for (const person of present) {
    for (const page of person.context.pages()) {
      const text = await page.locator("body").innerText({ timeout: 5000 }).catch(String);
      console.log(`--- the page ${page.url()}\n${text.slice(0, 6000)}`);
    }
    console.log(`--- the browser's console\n${[...person.wrong, ...person.refusals].join("\n")}`);
  }
  for (const broker of running) console.log(`--- the broker at ${broker.url}\n${broker.lines.slice(-60).join("\n")}`);
  console.log("=====\n");
}

async function sendAway() {
  const left = [...present];
  present.clear();
  for (const person of left) await person.context.close().catch(() => {});
}
