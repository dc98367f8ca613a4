/** Where a stream stands and when to dial again: a plain state machine without I/O, clock or dice of its own. */
import type { Event, JSONObject, StreamGap } from "./models.js";
import type { Block } from "./sse.js";

/** No wait between two dials is longer. */
export const LONGEST_WAIT_MS = 30_000;

/** A stream without a byte for longer is dead: the broker writes at least every 15 seconds. */
export const SILENCE_MS = 45_000;

/** What a block is to its reader. */
export type Item =
  | { readonly kind: "event"; readonly event: Event }
  | { readonly kind: "gap"; readonly gap: StreamGap }
  | { readonly kind: "end" }
  | { readonly kind: "none" };

/** Follows one stream through its connections. */
export class StreamState {
  private baseWaitMs = 2000;
  private failures = 0;
  private closing = false;

  /** A stream that goes on after `place`, or begins where the request says. */
  constructor(public place: string | null = null) {}

  /** What a block means. The place is moved by `handled`, not here. */
  take(block: Block): Item {
    if (block.retryMs !== null) this.baseWaitMs = block.retryMs;
    if (block.data === null) return { kind: "none" };
    if (block.event === "stream.closing") {
      this.closing = true;
      return { kind: "none" };
    }
    if (block.event === "stream.end") return { kind: "end" };
    const value = JSON.parse(block.data) as JSONObject;
    if (block.event === "stream.gap") return { kind: "gap", gap: value as unknown as StreamGap };
    const sequence = block.id !== null && /^[0-9]+$/.test(block.id) ? { sequence: Number(block.id) } : {};
    return { kind: "event", event: { ...sequence, ...value } as unknown as Event };
  }

  /** The block's event has been handled, or it had none: the stream resumes after it. */
  handled(block: Block): void {
    this.failures = 0;
    if (block.id) this.place = block.id;
  }

  /** How long to wait before dialling again: full jitter, doubled with each failure. `unit` is in 0..1. */
  waitMs(unit: number, asked: number | null = null): number {
    this.failures += 1;
    if (this.closing) {
      // The broker said goodbye and spread its clients already.
      this.closing = false;
      return this.baseWaitMs;
    }
    const span = Math.min(LONGEST_WAIT_MS, this.baseWaitMs * 2 ** Math.min(this.failures - 1, 8));
    return Math.max(asked ?? 0, span * unit);
  }
}

/** Whether a status that refuses a stream will not get better by dialling again. */
export function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}
