/** What is managed: destinations, deliveries, replays, event types, apps, functions, keys, tickets. */
import type {
  Attempt,
  Delivery,
  Destination,
  DestinationDraft,
  Event,
  Key,
  Page,
  Replay,
  Resource,
  Ticket,
} from "./models.js";
import { API, type QueryValue, type Transport, query, segment } from "./transport.js";

/** A page of any list. */
export interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** Which deliveries. */
export interface DeliveryFilter extends PageOptions {
  readonly status?: string;
  readonly types?: string | readonly string[];
  readonly since?: string | Date;
  readonly until?: string | Date;
}

/** What is sent again. */
export interface ReplayDraft {
  readonly since?: string | Date;
  readonly until?: string | Date;
  readonly types?: readonly string[];
  readonly only?: "failed" | "missing" | "all";
  readonly rate_per_s?: number;
  readonly dry_run?: boolean;
}

/** The calls that every resource is made of. */
class Calls {
  constructor(protected readonly transport: Transport) {}

  protected fetchOne<T>(path: string, parameters: Readonly<Record<string, QueryValue>> = {}): Promise<T> {
    return this.transport.run({ method: "GET", path, query: query(parameters), repeatable: true });
  }

  protected post<T>(path: string, body?: unknown): Promise<T> {
    const call = { method: "POST", path, repeatable: false } as const;
    return this.transport.run(body === undefined ? call : { ...call, body });
  }

  protected change<T>(method: "PATCH" | "PUT", path: string, body: unknown): Promise<T> {
    return this.transport.run({ method, path, body, repeatable: true });
  }

  protected remove(path: string): Promise<void> {
    return this.transport.run({ method: "DELETE", path, repeatable: true });
  }
}

/** `client.destinations`: webhooks. */
export class Destinations extends Calls {
  /** Creates a destination; `secret` is in this answer and no other. */
  create(destination: DestinationDraft): Promise<Destination> {
    return this.post(`${API}/destinations`, destination);
  }

  /** One page of destinations. */
  list(options: PageOptions = {}): Promise<Page<Destination>> {
    return this.fetchOne(`${API}/destinations`, { ...options });
  }

  /** One destination. */
  get(id: string): Promise<Destination> {
    return this.fetchOne(path(id));
  }

  /** Changes the given members; it counts from the next attempt on. */
  update(id: string, members: Readonly<Record<string, unknown>>): Promise<Destination> {
    return this.change("PATCH", path(id), members);
  }

  /** Removes a destination. */
  delete(id: string): Promise<void> {
    return this.remove(path(id));
  }

  /** Runs the verification again. */
  verify(id: string): Promise<Destination> {
    return this.post(`${path(id)}/verify`);
  }

  /** Switches a destination on again; `skip` forgets what waited. */
  activate(id: string, options: { readonly backlog?: "send" | "skip" } = {}): Promise<Destination> {
    return this.post(`${path(id)}/activate`, options);
  }

  /** Switches a destination off; it keeps its place. */
  deactivate(id: string): Promise<Destination> {
    return this.post(`${path(id)}/deactivate`);
  }

  /** Makes a new secret, in this answer and no other; the old one signs too during the overlap. */
  rotateSecret(id: string, options: { readonly overlap_s?: number } = {}): Promise<Destination> {
    return this.post(`${path(id)}/rotate-secret`, options);
  }

  /** Sends one signed sample now, and tells what the endpoint said. */
  test(id: string, options: { readonly type?: string } = {}): Promise<Attempt> {
    return this.post(`${path(id)}/test`, options);
  }

  /** The same for a URL that is not saved yet. */
  testUrl(draft: DestinationDraft): Promise<Attempt> {
    return this.post(`${API}/destinations/test`, draft);
  }

  /** One page of deliveries, newest first. */
  deliveries(id: string, options: DeliveryFilter = {}): Promise<Page<Delivery>> {
    const { types, ...others } = options;
    return this.fetchOne(`${path(id)}/deliveries`, { ...others, type: types });
  }

  /** Counts, success rate, latencies, lag. */
  stats(id: string): Promise<Resource> {
    return this.fetchOne(`${path(id)}/stats`);
  }

  /** Sends events of a time range again, as a durable job. */
  replay(id: string, draft: ReplayDraft): Promise<Replay> {
    return this.post(`${path(id)}/replay`, draft);
  }
}

function path(id: string): string {
  return `${API}/destinations/${segment(id)}`;
}

/** `client.deliveries`. */
export class Deliveries extends Calls {
  /** One delivery with every attempt. */
  get(id: string): Promise<Delivery> {
    return this.fetchOne(`${API}/deliveries/${segment(id)}`);
  }

  /** Sends it again now. */
  resend(id: string): Promise<Delivery> {
    return this.post(`${API}/deliveries/${segment(id)}/resend`);
  }
}

/** `client.replays`. */
export class Replays extends Calls {
  /** How far a replay is. */
  get(id: string): Promise<Replay> {
    return this.fetchOne(`${API}/replays/${segment(id)}`);
  }

  /** One page of replays, newest first; of one destination when that is given. */
  list(options: PageOptions & { readonly destination_id?: string } = {}): Promise<Page<Replay>> {
    return this.fetchOne(`${API}/replays`, { ...options });
  }

  /** Stops a replay. */
  stop(id: string): Promise<void> {
    return this.remove(`${API}/replays/${segment(id)}`);
  }
}

/** `client.eventTypes`: the catalog. */
export class EventTypes extends Calls {
  /** One page of event types. */
  list(options: PageOptions = {}): Promise<Page<Resource>> {
    return this.fetchOne(`${API}/event-types`, { ...options });
  }

  /** One event type. */
  get(name: string): Promise<Resource> {
    return this.fetchOne(`${API}/event-types/${segment(name)}`);
  }

  /** Adds or replaces an event type of one's own. */
  put(name: string, members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.change("PUT", `${API}/event-types/${segment(name)}`, members);
  }

  /** Removes an event type of one's own. */
  delete(name: string): Promise<void> {
    return this.remove(`${API}/event-types/${segment(name)}`);
  }

  /** A valid event of the type, made up. */
  sample(name: string): Promise<Event> {
    return this.fetchOne(`${API}/event-types/${segment(name)}/sample`);
  }
}

/** `client.apps`. */
export class Apps extends Calls {
  /** Creates an app. */
  create(app: { readonly slug: string; readonly name: string }): Promise<Resource> {
    return this.post(`${API}/apps`, app);
  }

  /** One page of apps. */
  list(options: PageOptions = {}): Promise<Page<Resource>> {
    return this.fetchOne(`${API}/apps`, { ...options });
  }

  /** One app. */
  get(slug: string): Promise<Resource> {
    return this.fetchOne(`${API}/apps/${segment(slug)}`);
  }

  /** Changes the given members. */
  update(slug: string, members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.change("PATCH", `${API}/apps/${segment(slug)}`, members);
  }

  /** Removes an app. */
  delete(slug: string): Promise<void> {
    return this.remove(`${API}/apps/${segment(slug)}`);
  }
}

/** `client.functions`: functions that run on events. */
export class Functions extends Calls {
  /** Creates a function. */
  create(members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.post(`${API}/functions`, members);
  }

  /** One page of functions. */
  list(options: PageOptions = {}): Promise<Page<Resource>> {
    return this.fetchOne(`${API}/functions`, { ...options });
  }

  /** One function. */
  get(id: number | string): Promise<Resource> {
    return this.fetchOne(`${API}/functions/${segment(id)}`);
  }

  /** Changes the given members. */
  update(id: number | string, members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.change("PATCH", `${API}/functions/${segment(id)}`, members);
  }

  /** Removes a function. */
  delete(id: number | string): Promise<void> {
    return this.remove(`${API}/functions/${segment(id)}`);
  }

  /** Subscribes a function to an event. */
  subscribe(event: string, members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.post(`/api/cloud/events/${segment(event)}/subscribe/`, members);
  }

  /** Ends a subscription. */
  unsubscribe(event: string, members: Readonly<Record<string, unknown>>): Promise<Resource> {
    return this.post(`/api/cloud/events/${segment(event)}/unsubscribe/`, members);
  }

  /** One page of invocations. */
  invocations(
    options: PageOptions & { readonly function_id?: number; readonly event_id?: string; readonly status?: string } = {},
  ): Promise<Page<Resource>> {
    return this.fetchOne(`${API}/invocations`, { ...options });
  }

  /** Runs an invocation again. */
  retryInvocation(id: string): Promise<Resource> {
    return this.post(`${API}/invocations/${segment(id)}/retry`);
  }
}

/** `client.keys`. */
export class Keys extends Calls {
  /** Makes a key; it is in this answer and no other. */
  create(key: {
    readonly name: string;
    readonly scopes: readonly string[];
    readonly expires_at?: string;
  }): Promise<Key> {
    return this.post(`${API}/keys`, key);
  }

  /** One page of keys. */
  list(options: PageOptions = {}): Promise<Page<Key>> {
    return this.fetchOne(`${API}/keys`, { ...options });
  }

  /** Revokes a key; streams that it opened end. */
  revoke(id: string): Promise<void> {
    return this.remove(`${API}/keys/${segment(id)}`);
  }

  /** A single-use ticket with which a browser's `EventSource` opens one stream. */
  streamTicket(): Promise<Ticket> {
    return this.post(`${API}/stream-tickets`);
  }
}
