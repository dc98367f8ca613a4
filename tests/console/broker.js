/** A real broker for a test: the program of this repository on a folder and a port of its own, and calls of its API. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const PROGRAM = process.env.CAMPANILE_PROGRAM ?? path.join(ROOT, "target/debug/campanile");

/** May do everything, publishing and looking at the whole broker included. */
export const KEY = "console-tests-key";
/** May read events and nothing else. */
export const READER = "console-tests-reader";
/** May read everything of its tenant and change nothing. */
export const ONLOOKER = "console-tests-onlooker";

/** Brokers that run, for a report when a test fails. */
export const running = new Set();

/** So many of the newest lines that a broker wrote are kept. */
const MOST_LINES = 200;

/** Waits until a condition holds, and gives what it gave. */
export async function eventually(what, condition, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(20);
  }
}

const settingsFor = (folder, port, catalogs) => `
[server]
listen = "127.0.0.1:${port}"
drain = "2s"
[storage]
path = "${path.join(folder, "data")}"
[events]
catalogs = ${JSON.stringify(catalogs)}
unknown_types = "accept"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
schedule = ["1s"]
[[keys]]
name = "tests"
token = "${KEY}"
tenant = "default"
scopes = ["admin", "operator", "events:publish"]
[[keys]]
name = "reader"
token = "${READER}"
tenant = "default"
scopes = ["events:read"]
[[keys]]
name = "onlooker"
token = "${ONLOOKER}"
tenant = "default"
scopes = ["events:read", "destinations:read", "functions:read"]
`;

export class Broker {
  /** `catalogs` are those of published APIs that it knows the types of. */
  static async start({ catalogs = [] } = {}) {
    const broker = new Broker(catalogs);
    await broker.start();
    return broker;
  }

  constructor(catalogs) {
    this.catalogs = catalogs;
    this.folder = mkdtempSync(path.join(tmpdir(), "campanile-console-"));
    this.port = 0;
    this.lines = [];
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it, again on the port that it had: a client's socket may hold that for a moment. */
  async start() {
    if (this.port === 0) return this.begin();
    await eventually("the broker is back", () => this.begin().then(() => true, () => false));
  }

  async begin() {
    const config = path.join(this.folder, "config.toml");
    writeFileSync(config, settingsFor(this.folder, this.port, this.catalogs));
    const child = spawn(PROGRAM, ["serve", "--config", config], { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    running.add(this);
    const listens = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.note(line);
        const port = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (port) resolve(Number(port));
      });
      createInterface({ input: child.stderr }).on("line", (line) => this.note(line));
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        this.note(`(the broker ended: ${signal ?? code})`);
        reject(new Error(`the broker did not start:\n${this.lines.join("\n")}`));
      });
    });
    this.port = await listens;
  }

  note(line) {
    this.lines.push(line);
    if (this.lines.length > MOST_LINES) this.lines.shift();
  }

  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }

  async stop() {
    running.delete(this);
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Calls the API; the answer's JSON when it went well. */
  call(method, at, body) {
    return this.callText(method, at, body && JSON.stringify(body));
  }

  /** The same with a body that is sent as it is written. */
  async callText(method, at, body) {
    const headers = { Authorization: `Bearer ${KEY}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(this.url + at, { method, headers, body });
    const text = await answer.text();
    assert(answer.ok, `${method} ${at}: ${answer.status} ${text.slice(0, 500)}`);
    return text ? JSON.parse(text) : null;
  }

  publish(draft) {
    return this.call("POST", "/api/v1/events", { data: {}, ...draft });
  }

  publishMany(events) {
    return this.call("POST", "/api/v1/events/batch", { events: events.map((draft) => ({ data: {}, ...draft })) });
  }
}
