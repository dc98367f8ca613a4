/** Events: publish, read, stream. */
import { APIConnectionError, APIError, StreamProtocolError } from "./errors.js";
import type { Delivery, Event, EventDraft, Page, Published, StreamGap } from "./models.js";
import { SSEParser } from "./sse.js";
import { SILENCE_MS, StreamState, isFinal } from "./stream.js";
import { API, type Transport, query, segment, sleep } from "./transport.js";

/** Which events. */
export interface EventFilter {
  /** Types: exact, `prefix.*` or `*`. */
  readonly types?: string | readonly string[];
  readonly pipeline?: string;
  readonly runId?: string;
  /** A CEL expression over the event. */
  readonly filter?: string;
  /** From this time on, inclusive. */
  readonly since?: string | Date;
  /** Up to this time, exclusive. */
  readonly until?: string | Date;
}

/** One page of events. */
export interface ListOptions extends EventFilter {
  readonly cursor?: string | number;
  readonly limit?: number;
  readonly order?: "asc" | "desc";
  /** Milliseconds to wait for a first event. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** A stream of events. */
export interface StreamOptions extends EventFilter {
  /** Goes on after this place: a sequence or an event's id. */
  readonly resume?: string | number;
  /** Replays at the pace it happened: `1x`, `10x`, `max`. */
  readonly speed?: string;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
  /** Events that retention removed before they were read. */
  readonly onGap?: (gap: StreamGap) => void;
  /** The connection broke or was refused, and is dialled again. */
  readonly onReconnect?: (error: Error) => void;
}

/** How a publish is told from its repetition. */
export interface PublishOptions {
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

const KEY_HEADER = "Idempotency-Key";

/** Without a deadline a function's own time-out ends a PRE event: 5 minutes unless said otherwise. */
const FUNCTIONS_MS = 300_000;

/** `client.events`. */
export class Events {
  constructor(private readonly transport: Transport) {}

  /** Publishes one event; resolves once it is durable. Sent again by itself when the connection breaks: once. */
  publish(event: EventDraft, options: PublishOptions = {}): Promise<Event> {
    const headers = { [KEY_HEADER]: options.idempotencyKey ?? crypto.randomUUID() };
    const body = drafted(event);
    return this.transport.run({
      method: "POST",
      path: `${API}/events`,
      body,
      headers,
      repeatable: true,
      ...signalOf(options),
    });
  }

  /**
   * Publishes a PRE event and waits for its functions; resolves to the data as they left it. One that fails is an
   * `UnprocessableEntityError`, whose `problem.data.failures` names each.
   */
  async publishAndWait(
    event: EventDraft,
    options: PublishOptions & { readonly deadlineMs?: number } = {},
  ): Promise<Record<string, unknown>> {
    const headers = { [KEY_HEADER]: options.idempotencyKey ?? crypto.randomUUID() };
    const answer = await this.transport.run<{ data: { params: Record<string, unknown> } }>({
      method: "POST",
      path: `${API}/events`,
      query: query({ wait: "true", deadline_ms: options.deadlineMs }),
      body: drafted(event),
      headers,
      repeatable: true,
      patienceMs: options.deadlineMs ?? FUNCTIONS_MS,
      ...signalOf(options),
    });
    return answer.data.params;
  }

  /** Publishes 1 to 1,000 events: all of them or none. */
  async publishMany(events: readonly EventDraft[], options: PublishOptions = {}): Promise<readonly Published[]> {
    const headers = { [KEY_HEADER]: options.idempotencyKey ?? crypto.randomUUID() };
    const body = { events: events.map(drafted) };
    const path = `${API}/events/batch`;
    const call = { method: "POST", path, body, headers, repeatable: true, ...signalOf(options) } as const;
    return (await this.transport.run<{ events: Published[] }>(call)).events;
  }

  /** One page of events, in log order. */
  list(options: ListOptions = {}): Promise<Page<Event>> {
    const { cursor, limit, order, waitMs } = options;
    const parameters = query({ ...filters(options), cursor, limit, order, wait_ms: waitMs });
    const call = { method: "GET", path: `${API}/events`, query: parameters, repeatable: true } as const;
    return this.transport.run({ ...call, patienceMs: waitMs ?? 0, ...signalOf(options) });
  }

  /** Every event that matches, page by page, up to the newest of now. */
  async *iterate(options: ListOptions = {}): AsyncGenerator<Event, void, undefined> {
    let page = await this.list(options);
    for (;;) {
      yield* page.data;
      if (!page.has_more || page.next_cursor === null) return;
      page = await this.list({ ...options, cursor: page.next_cursor });
    }
  }

  /** One event. */
  get(id: string): Promise<Event> {
    return this.transport.run({ method: "GET", path: `${API}/events/${segment(id)}`, repeatable: true });
  }

  /** The deliveries of one event. */
  deliveries(id: string): Promise<Page<Delivery>> {
    const path = `${API}/events/${segment(id)}/deliveries`;
    return this.transport.run({ method: "GET", path, repeatable: true });
  }

  /**
   * Events as they happen, for ever: through restarts of the broker, nothing lost and nothing twice.
   *
   * An event is passed when the loop asks for the next one. With `until` the stream ends there; `signal` ends it at
   * any time, without an error.
   */
  async *stream(options: StreamOptions = {}): AsyncGenerator<Event, void, undefined> {
    const state = new StreamState(options.resume === undefined ? null : String(options.resume));
    const parameters = query({ ...filters(options), speed: options.speed });
    while (!options.signal?.aborted) {
      let asked: number | null = null;
      const connection = new Connection(options.signal);
      try {
        const headers: Record<string, string> = state.place === null ? {} : { "Last-Event-ID": state.place };
        const bytes = await this.transport.stream(`${API}/events/stream`, parameters, headers, connection.signal);
        const parser = new SSEParser();
        for await (const chunk of connection.chunks(bytes)) {
          for (const block of parser.feed(chunk)) {
            const item = state.take(block);
            if (item.kind === "end") return;
            if (item.kind === "gap") options.onGap?.(item.gap);
            if (item.kind === "event") yield item.event;
            state.handled(block);
          }
        }
      } catch (error) {
        if (options.signal?.aborted) return;
        if (error instanceof StreamProtocolError || (error instanceof APIError && isFinal(error.status))) throw error;
        if (!(error instanceof APIError || error instanceof APIConnectionError)) throw error;
        asked = error instanceof APIError ? error.retryAfterMs : null;
        options.onReconnect?.(error);
      } finally {
        connection.close();
      }
      await sleep(state.waitMs(Math.random(), asked), options.signal).catch(() => undefined);
    }
  }
}

/** One connection of a stream: broken off by the caller's signal, by silence, or when the reader leaves. */
class Connection {
  private readonly controller = new AbortController();
  private readonly abort = (): void => this.controller.abort(this.asked?.reason);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly asked: AbortSignal | undefined) {
    if (asked?.aborted) this.abort();
    else asked?.addEventListener("abort", this.abort, { once: true });
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  private heard(): void {
    clearTimeout(this.timer);
    const silence = new APIConnectionError(`the stream was silent for ${SILENCE_MS / 1000} s`);
    this.timer = setTimeout(() => this.controller.abort(silence), SILENCE_MS);
  }

  async *chunks(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = bytes.getReader();
    for (;;) {
      let read: ReadableStreamReadResult<Uint8Array>;
      try {
        read = await reader.read();
      } catch (error) {
        throw error instanceof APIConnectionError
          ? error
          : new APIConnectionError(`the stream broke: ${String(error)}`, { cause: error });
      }
      if (read.done) return;
      // How long the reader takes is no silence of the broker.
      clearTimeout(this.timer);
      yield read.value;
      this.heard();
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.asked?.removeEventListener("abort", this.abort);
    this.controller.abort();
  }
}

function filters(options: EventFilter): Record<string, string | Date | readonly string[] | undefined> {
  const types = typeof options.types === "string" ? [options.types] : options.types;
  const { pipeline, filter, since, until } = options;
  return { type: types, pipeline, run_id: options.runId, filter, since, until };
}

function drafted(event: EventDraft): object {
  const timestamp = event.timestamp instanceof Date ? event.timestamp.toISOString() : event.timestamp;
  return { ...event, data: event.data ?? {}, timestamp };
}

function signalOf(options: { readonly signal?: AbortSignal }): { signal?: AbortSignal } {
  return options.signal ? { signal: options.signal } : {};
}
