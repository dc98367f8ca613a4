/** A real broker for a test: the program of this repository, on a folder and a port of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "../src/index.js";

export const KEY = "sdk-tests-key";
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../..");
const PROGRAM = process.env["CAMPANILE_PROGRAM"] ?? path.join(ROOT, "target/debug/campanile");

/** Waits until a condition holds, and gives what it gave. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  seconds = 240,
): Promise<NonNullable<T>> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(10);
  }
}

/** The program, which can be killed and started again on the same folder and port. */
export class Broker implements AsyncDisposable {
  private readonly folder = mkdtempSync(path.join(tmpdir(), "campanile-"));
  private child: ChildProcess | undefined;
  private port = 0;

  static async start(settings = ""): Promise<Broker> {
    const broker = new Broker(settings);
    await broker.start();
    return broker;
  }

  private constructor(private readonly settings: string) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  client(): Client {
    return new Client({ baseUrl: this.url, apiKey: KEY });
  }

  async start(): Promise<void> {
    const config = path.join(this.folder, "config.toml");
    const text = `
[server]
listen = "127.0.0.1:${this.port}"
drain = "2s"
${this.settings}
[storage]
path = "${path.join(this.folder, "data")}"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[[keys]]
name = "tests"
token = "${KEY}"
tenant = "default"
scopes = ["admin", "events:publish"]
`;
    writeFileSync(config, text);
    // The port of a broker that was just killed may be held for a moment.
    this.port = await eventually("the broker listens", () => this.run(config));
  }

  private async run(config: string): Promise<number> {
    const child = spawn(PROGRAM, ["serve", "--config", config], { stdio: ["ignore", "pipe", "inherit"] });
    this.child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) {
        child.stdout.resume();
        return Number(port);
      }
    }
    return 0;
  }

  async kill(): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a test with a broker of its own. */
export function withBroker(work: (broker: Broker, client: Client) => Promise<void>, settings = "") {
  return async (): Promise<void> => {
    const broker = await Broker.start(settings);
    try {
      await work(broker, broker.client());
    } finally {
      await broker[Symbol.asyncDispose]();
    }
  };
}
