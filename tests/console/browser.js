/**
 * Chromium on the console of a broker. What must hold on every page of every test: no error on the browser's console, nothing
 * that the policy of the page refuses, nothing asked of another origin.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { KEY } from "./broker.js";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Where pictures go: those for the documents only when they are to be renewed, so that a run changes no file that is kept. */
const PICTURES = path.join(HERE, "../../target/console-images");
const DOCUMENTS = process.env.RENEW_IMAGES ? path.join(HERE, "../../docs/images") : PICTURES;
for (const folder of [PICTURES, DOCUMENTS]) mkdirSync(folder, { recursive: true });

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** A machine may be slow: what has not come after this long does not come. */
const LONGEST_MS = 60_000;

/** Persons who have not left, for a report when a test fails. */
export const present = new Set();

/** One browser, whose contexts are persons with cookies of their own. */
export async function launch() {
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server", "--force-color-profile=srgb"];
  return chromium.launch({ executablePath: PROGRAM, args, timeout: 2 * LONGEST_MS });
}

/** A person at the console. */
export class Person {
  static async arrive(browser, broker, options = {}) {
    const viewport = { width: 1100, height: 700 };
    const context = await browser.newContext({ viewport, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", ...options });
    const person = new Person(context, broker);
    person.page = await person.open();
    return person;
  }

  constructor(context, broker) {
    this.context = context;
    this.broker = broker;
    this.wrong = [];
    this.refusals = [];
    present.add(this);
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== broker.url && url.protocol !== "data:") this.wrong.push(`asked ${url.origin}`);
    });
  }

  /** Opens another tab. */
  async open(view = "") {
    const page = await this.context.newPage();
    page.setDefaultTimeout(LONGEST_MS);
    page.on("console", (message) => {
      // Chromium writes every answer that is an error there; which ones are expected, tests say themselves.
      if (message.type() !== "error") return;
      const list = message.text().startsWith("Failed to load resource") ? this.refusals : this.wrong;
      list.push(message.text());
    });
    page.on("pageerror", (error) => this.wrong.push(String(error)));
    await page.goto(`${this.broker.url}/${view}`);
    return page;
  }

  async signIn(key = KEY) {
    await this.page.getByLabel("API key").fill(key);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.page.getByRole("navigation", { name: "Pages" }).waitFor();
  }

  /** Goes to a view by its address. */
  async go(view) {
    await this.page.goto(`${this.broker.url}/#/${view}`);
  }

  /** Holds the page, as it is, to the rules for accessible pages, in light and in dark, and takes its picture. */
  async inspect(name, folder = PICTURES) {
    for (const scheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme: scheme });
      await this.assertAccessible(`${name} in ${scheme}`);
      await this.page.screenshot({ path: path.join(folder, `${name}-${scheme}.png`), animations: "disabled", caret: "hide" });
    }
    await this.page.emulateMedia({ colorScheme: "light" });
  }

  /** The same, for the documents. */
  portray(name) {
    return this.inspect(name, DOCUMENTS);
  }

  async assertAccessible(what) {
    await this.page.evaluate(() => document.fonts.ready);
    if (!(await this.page.evaluate(() => "axe" in globalThis))) await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const said = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("\n  ")}`);
    assert.deepEqual(said, [], what);
  }

  /** The page must not be wider than what one sees of it, once its charts have followed a change of its size. */
  async assertFits(what) {
    const widths = () => [document.documentElement.scrollWidth, innerWidth];
    const fits = () => document.documentElement.scrollWidth <= innerWidth;
    await this.page.waitForFunction(fits, undefined, { timeout: 30_000 }).catch(async () => {
      const [wide, seen] = await this.page.evaluate(widths);
      assert.fail(`${what} is ${wide} wide on ${seen}`);
    });
  }

  /** Ends the visit; fails when anything went wrong in the browser meanwhile. */
  async leave() {
    present.delete(this);
    await this.context.close();
    assert.deepEqual(this.wrong, []);
  }
}
