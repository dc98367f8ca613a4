/** The client. */
import { Events } from "./events.js";
import { Apps, Deliveries, Destinations, EventTypes, Functions, Keys, Replays } from "./resources.js";
import { type ClientOptions, Transport } from "./transport.js";
import * as webhooks from "./webhooks.js";

/** A client of one broker. Nothing is dialled before the first call. */
export class Client {
  readonly events: Events;
  readonly destinations: Destinations;
  readonly deliveries: Deliveries;
  readonly replays: Replays;
  readonly eventTypes: EventTypes;
  readonly apps: Apps;
  readonly functions: Functions;
  readonly keys: Keys;
  readonly webhooks = webhooks;

  constructor(options: ClientOptions = {}) {
    const transport = new Transport(options);
    this.events = new Events(transport);
    this.destinations = new Destinations(transport);
    this.deliveries = new Deliveries(transport);
    this.replays = new Replays(transport);
    this.eventTypes = new EventTypes(transport);
    this.apps = new Apps(transport);
    this.functions = new Functions(transport);
    this.keys = new Keys(transport);
  }
}
