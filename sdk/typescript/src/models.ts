/** What the API speaks of. Members that a newer broker adds are kept. */

/** Any JSON value. */
export type JSONValue = null | boolean | number | string | JSONValue[] | { [name: string]: JSONValue };
/** A JSON object. */
export type JSONObject = { [name: string]: JSONValue };

/** An event. `sequence` is its place in the log, where the source of the event tells it. */
export interface Event<Data = JSONObject> {
  readonly id: string;
  readonly type: string;
  /** RFC 3339 in UTC. */
  readonly timestamp: string;
  readonly data: Data;
  readonly pipeline?: string;
  readonly run_id?: string;
  readonly sequence?: number;
}

/** An event as it is published. */
export interface EventDraft {
  readonly type: string;
  readonly data?: object;
  readonly id?: string;
  readonly timestamp?: string | Date;
  readonly pipeline?: string;
  readonly run_id?: string;
}

/** Events between the place asked for and the oldest kept one are gone; the stream goes on from there. */
export interface StreamGap {
  readonly reason: "trimmed" | "unknown" | "ahead";
  readonly missed: number | null;
  readonly oldest: string | null;
}

/** One event of a batch that is durable. */
export interface Published {
  readonly id: string;
  readonly sequence: number;
}

/** One page of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

/** Any resource: the members the API documents. */
export interface Resource {
  readonly [name: string]: unknown;
}

/** A webhook destination; `secret` is there on creation and on rotation only. */
export interface Destination extends Resource {
  readonly id: string;
  readonly url: string;
  readonly status: "pending" | "active" | "deactivated";
  readonly secret?: string | null;
}

/** What a destination is created with; `url` is required. */
export interface DestinationDraft {
  readonly url: string;
  readonly [name: string]: unknown;
}

/** One event at one destination. */
export interface Delivery extends Resource {
  readonly id: string;
  readonly event_id: string;
  readonly status: "pending" | "retrying" | "delivered" | "dead" | "expired" | "cancelled";
}

/** One attempt of a delivery, or of a test. */
export interface Attempt extends Resource {
  readonly status: number | null;
  readonly latency_ms: number;
}

/** A durable job that sends events again. */
export interface Replay extends Resource {
  readonly id: string;
  readonly status: "queued" | "running" | "done" | "stopped";
}

/** An API key; `key` is there on creation only. */
export interface Key extends Resource {
  readonly id: string;
  readonly key?: string;
}

/** A single-use ticket that opens one stream from a browser. */
export interface Ticket {
  readonly ticket: string;
  readonly expires_at: string;
}
