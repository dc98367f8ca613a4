/** Carrying calls over `fetch`: retries, time-outs, errors. The decisions are functions of their own. */
import { APIConnectionError, APITimeoutError, ConfigurationError, errorOf, retryAfterMs } from "./errors.js";

/** How to reach a broker. */
export interface ClientOptions {
  /** Default: `CAMPANILE_URL`, else `http://127.0.0.1:8080`. */
  readonly baseUrl?: string;
  /** Default: `CAMPANILE_KEY`. */
  readonly apiKey?: string;
  /** Milliseconds for one attempt of a call; 30,000 unless given. What the broker is asked to wait comes on top. */
  readonly timeoutMs?: number;
  /** Further attempts of a call that may be repeated; 2 unless given. */
  readonly maxRetries?: number;
  /** Another `fetch`. */
  readonly fetch?: typeof fetch;
}

/**
 * One request. `repeatable`: sending it twice does no more than sending it once. `patienceMs`: how much longer than the
 * client's time-out the answer may take, as the broker is asked to wait.
 */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly repeatable: boolean;
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** The path that all but the cloud routes begin with. */
export const API = "/api/v1";

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/** Whether a failed attempt (`null`: no answer came) is made again. */
export function isRetried(call: Call, attempt: number, maxRetries: number, status: number | null): boolean {
  if (attempt > maxRetries) return false;
  if (status === null) return call.repeatable;
  return RETRIED.has(status) && (call.repeatable || status === 429 || status === 503);
}

/** The wait before the next attempt: full jitter under a doubling bound, at least what the broker asks. */
export function waitBeforeRetryMs(attempt: number, asked: number | null, unit: number): number {
  return Math.max(asked ?? 0, Math.min(8000, 500 * 2 ** (attempt - 1)) * unit);
}

/** Waits; an aborted signal ends it with an error. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

function environment(name: string): string | undefined {
  return typeof process === "undefined" ? undefined : process.env?.[name];
}

/** Makes calls. */
export class Transport {
  private readonly url: string;
  private readonly key: string;
  private readonly timeoutMs: number;
  private readonly maxRetries: number;
  private readonly fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.url = (options.baseUrl ?? environment("CAMPANILE_URL") ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
    const key = options.apiKey ?? environment("CAMPANILE_KEY");
    if (!key) throw new ConfigurationError("no API key: give apiKey or set CAMPANILE_KEY");
    if (!/^https?:\/\//.test(this.url)) {
      throw new ConfigurationError(`baseUrl must begin with http:// or https://, not ${this.url}`);
    }
    this.key = key;
    this.timeoutMs = options.timeoutMs ?? 30_000;
    this.maxRetries = options.maxRetries ?? 2;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** Makes a call, again where that is safe and may help. */
  async run<T>(call: Call): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      let wait: number;
      try {
        const answer = await this.once(call);
        if (!isRetried(call, attempt, this.maxRetries, answer.status)) return await read<T>(call, answer);
        await answer.body?.cancel();
        wait = waitBeforeRetryMs(attempt, retryAfterMs(answer.headers), Math.random());
      } catch (error) {
        if (!(error instanceof APIConnectionError) || !isRetried(call, attempt, this.maxRetries, null)) throw error;
        wait = waitBeforeRetryMs(attempt, null, Math.random());
      }
      await sleep(wait, call.signal);
    }
  }

  private async once(call: Call): Promise<Response> {
    const timeoutMs = this.timeoutMs + (call.patienceMs ?? 0);
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
    const headers: Record<string, string> = { Authorization: `Bearer ${this.key}`, ...call.headers };
    const init: RequestInit = { method: call.method, headers, signal, redirect: "error" };
    if (call.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(call.body);
    }
    try {
      return await this.fetch(this.address(call.path, call.query), init);
    } catch (error) {
      // What the caller broke off ends as the caller's own reason.
      if (!call.signal?.aborted && timeout.aborted) {
        throw new APITimeoutError(`no answer within ${timeoutMs} ms`, { cause: error });
      }
      throw this.failure(error, call.signal);
    }
  }

  /** Opens an event stream: its bytes. Nothing bounds how long it lasts. */
  async stream(
    path: string,
    query: URLSearchParams,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const all = { Authorization: `Bearer ${this.key}`, Accept: "text/event-stream", ...headers };
    let answer: Response;
    try {
      answer = await this.fetch(this.address(path, query), { headers: all, signal, cache: "no-store" });
    } catch (error) {
      throw this.failure(error, signal);
    }
    if (answer.status !== 200 || !answer.body) throw errorOf(answer.status, await answer.text(), answer.headers);
    return answer.body;
  }

  private address(path: string, query?: URLSearchParams): string {
    const text = query?.toString() ?? "";
    return this.url + path + (text ? `?${text}` : "");
  }

  private failure(error: unknown, asked: AbortSignal | undefined): unknown {
    if (asked?.aborted) return asked.reason;
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    return new APIConnectionError(`${String(error)}${cause}`, { cause: error });
  }
}

async function read<T>(call: Call, answer: Response): Promise<T> {
  let text: string;
  try {
    text = await answer.text();
  } catch (error) {
    throw new APIConnectionError(`${call.method} ${call.path}: the answer broke off`, { cause: error });
  }
  if (!answer.ok) throw errorOf(answer.status, text, answer.headers);
  try {
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch (error) {
    throw new APIConnectionError(`${call.method} ${call.path}: the answer is not JSON`, { cause: error });
  }
}

/** A value of a query. */
export type QueryValue = string | number | Date | readonly string[] | undefined;

/** Query parameters; those that are not given are left out. */
export function query(parameters: Readonly<Record<string, QueryValue>>): URLSearchParams {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    if (value instanceof Date) given.set(name, value.toISOString());
    else given.set(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return given;
}

/** One part of a path. */
export function segment(value: string | number): string {
  const text = String(value);
  if (text === "" || text === "." || text === "..") throw new ConfigurationError(`"${text}" names nothing`);
  return encodeURIComponent(text);
}
