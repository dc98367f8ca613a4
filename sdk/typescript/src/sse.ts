/**
 * Parsing of Server-Sent Events (WHATWG HTML, section 9.2.6), without I/O.
 *
 * A block that is cut off by the end of the stream is dropped, as the standard says: it was not whole.
 */
import { StreamProtocolError } from "./errors.js";

/** One block of the stream: an event when it has data, a checkpoint when it has only an id. */
export interface Block {
  readonly event: string;
  readonly data: string | null;
  readonly id: string | null;
  readonly retryMs: number | null;
}

/** No block of the broker is larger: an event is at most 1 MiB, doubled at worst by its encoding. */
export const MAX_BLOCK_CHARACTERS = 8 * 1024 * 1024;

/** Takes bytes as they come and gives blocks as they become whole. */
export class SSEParser {
  private readonly decoder = new TextDecoder("utf-8");
  private rest = "";
  private searched = 0;
  private held = 0;
  private event = "";
  private data: string[] = [];
  private id: string | null = null;
  private retryMs: number | null = null;

  constructor(private readonly max = MAX_BLOCK_CHARACTERS) {}

  /** Blocks that are whole with these bytes. */
  feed(chunk: Uint8Array): Block[] {
    // The decoder drops a byte order mark, and only one.
    this.rest += this.decoder.decode(chunk, { stream: true });
    const blocks: Block[] = [];
    let start = 0;
    for (;;) {
      const end = this.lineEnd(Math.max(start, this.searched));
      if (end === null) break;
      const block = this.line(this.rest.slice(start, end.at));
      if (block) blocks.push(block);
      start = end.next;
    }
    this.rest = this.rest.slice(start);
    this.searched = Math.max(0, this.rest.length - 1);
    if (this.held + this.rest.length > this.max) {
      throw new StreamProtocolError(`a block of the stream is larger than ${this.max} characters`);
    }
    return blocks;
  }

  private lineEnd(from: number): { at: number; next: number } | null {
    for (let at = from; at < this.rest.length; at += 1) {
      const code = this.rest.charCodeAt(at);
      if (code === 10) return { at, next: at + 1 };
      if (code === 13) {
        // At the end it may be half of a line break.
        if (at + 1 === this.rest.length) return null;
        return { at, next: this.rest.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
      }
    }
    return null;
  }

  private line(line: string): Block | null {
    if (line === "") return this.dispatch();
    this.held += line.length;
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  private dispatch(): Block | null {
    const data = this.data.length > 0 ? this.data.join("\n") : "";
    const block = { event: this.event || "message", data: data || null, id: this.id, retryMs: this.retryMs };
    [this.event, this.data, this.id, this.retryMs, this.held] = ["", [], null, null, 0];
    return block.data === null && block.id === null && block.retryMs === null ? null : block;
  }
}
