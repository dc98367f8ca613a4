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

const settingsFor = (folder, port) => `
[server]
listen = "127.0.0.1:${port}"
drain = "2s"
[storage]
path = "${path.join(folder, "data")}"
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
`;

export class Broker {
  static async start() {
    const broker = new Broker();
    await broker.start();
    return broker;
  }

  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), "campanile-console-"));
    this.port = 0;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    const config = path.join(this.folder, "config.toml");
    writeFileSync(config, settingsFor(this.folder, this.port));
    this.child = spawn(PROGRAM, ["serve", "--config", config], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: this.child.stdout })) {
      const port = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (!port) continue;
      this.child.stdout.resume();
      this.port = Number(port);
      return;
    }
    throw new Error("the broker did not start");
  }

  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }

  async stop() {
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
    assert(answer.ok, `${method} ${at}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  publish(draft) {
    return this.call("POST", "/api/v1/events", { data: {}, ...draft });
  }

  publishMany(events) {
    return this.call("POST", "/api/v1/events/batch", { events });
  }
}
