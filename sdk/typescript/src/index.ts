/**
 * Client of the Campanile event broker.
 *
 * ```ts
 * import { Client } from "campanile";
 *
 * const client = new Client({ baseUrl: "http://127.0.0.1:8080", apiKey: "..." });
 * for await (const event of client.events.stream({ types: "pipeline.*" })) console.log(event.type, event.data);
 * ```
 */
export { Client } from "./client.js";
export * from "./errors.js";
export type { EventFilter, ListOptions, PublishOptions, StreamOptions } from "./events.js";
export type * from "./models.js";
export type { DeliveryFilter, PageOptions, ReplayDraft } from "./resources.js";
export type { ClientOptions } from "./transport.js";
export * as webhooks from "./webhooks.js";
