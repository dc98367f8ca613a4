/**
 * Every call of this SDK is one that the broker's document names, with parameters and members that it names; and every
 * member of an answer that this SDK has a type for is one that the document promises.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Attempt,
  Client,
  type Delivery,
  type Destination,
  type Event,
  type Key,
  type Page,
  type Published,
  type Replay,
  type Ticket,
} from "../src/index.js";
import { type Broker, withBroker } from "./broker.js";

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}
interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Readonly<Record<string, { schema: Schema }>> };
  readonly responses: Readonly<Record<string, { content?: Readonly<Record<string, { schema: Schema }>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The names that a type spells out. Listing them as a record makes the compiler see that none is left out. */
type Names<T> = Record<Exclude<keyof { [K in keyof T as string extends K ? never : K]: T[K] }, symbol>, true>;

const event: Names<Event> = {
  id: true,
  type: true,
  timestamp: true,
  data: true,
  pipeline: true,
  run_id: true,
  sequence: true,
};
const published: Names<Published> = { id: true, sequence: true };
const destination: Omit<Names<Destination>, "secret"> = { id: true, url: true, status: true };
const created: Names<Destination> = { ...destination, secret: true };
const delivery: Names<Delivery> = { id: true, event_id: true, status: true };
const attempt: Names<Attempt> = { status: true, latency_ms: true };
const replay: Names<Replay> = { id: true, status: true };
const key: Omit<Names<Key>, "key"> = { id: true };
const newKey: Names<Key> = { ...key, key: true };
const ticket: Names<Ticket> = { ticket: true, expires_at: true };
const page: Names<Page<unknown>> = { data: true, has_more: true, next_cursor: true };

/** What an answer is read as: nothing, members, a page of things with members, or a list of them in one member. */
type Answer = "nothing" | Record<string, true> | { readonly page: object } | { readonly list: string; readonly of: object };

const day = "2026-01-01T00:00:00Z";
const anything = {};
const paging = { limit: 10, cursor: "1" };
const draft = { type: "a", data: {}, id: "1", timestamp: day, pipeline: "p", run_id: "r" };
const options = { idempotencyKey: "k" };
const filter = { types: ["a.*"], pipeline: "p", runId: "r", filter: "true", since: day, until: day };
const target = { url: "https://example.com/hooks", format: "envelope", headers: { "X-Team": "data" } };

/** Every method of every resource, with everything it takes, and what its answer is read as. */
function calls(client: Client): Record<string, Record<string, readonly [() => Promise<unknown>, Answer]>> {
  const { events, destinations, deliveries, replays, eventTypes, apps, functions, keys } = client;
  return {
    events: {
      publish: [() => events.publish(draft, options), event],
      publishAndWait: [() => events.publishAndWait(draft, { ...options, deadlineMs: 1 }), { data: true }],
      publishMany: [() => events.publishMany([draft], options), { list: "events", of: published }],
      list: [() => events.list({ ...filter, ...paging, order: "asc", waitMs: 1 }), { page: event }],
      iterate: [() => events.iterate(filter).next(), { page: event }],
      get: [() => events.get("1"), event],
      deliveries: [() => events.deliveries("1"), { page: delivery }],
      stream: [() => events.stream({ ...filter, resume: 1, speed: "max" }).next(), "nothing"],
    },
    destinations: {
      create: [() => destinations.create({ ...target, events: ["a.*"], secret: null }), created],
      list: [() => destinations.list(paging), { page: destination }],
      get: [() => destinations.get("1"), destination],
      update: [() => destinations.update("1", target), destination],
      delete: [() => destinations.delete("1"), "nothing"],
      verify: [() => destinations.verify("1"), destination],
      activate: [() => destinations.activate("1", { backlog: "skip" }), destination],
      deactivate: [() => destinations.deactivate("1"), destination],
      rotateSecret: [() => destinations.rotateSecret("1", { overlap_s: 1 }), created],
      test: [() => destinations.test("1", { type: "a" }), attempt],
      testUrl: [() => destinations.testUrl({ ...target, type: "a" }), attempt],
      deliveries: [
        () => destinations.deliveries("1", { ...paging, status: "dead", types: ["a"], since: day, until: day }),
        { page: delivery },
      ],
      stats: [() => destinations.stats("1"), anything],
      replay: [
        () => destinations.replay("1", { since: day, until: day, types: ["a"], only: "all", rate_per_s: 1, dry_run: false }),
        replay,
      ],
    },
    deliveries: {
      get: [() => deliveries.get("1"), delivery],
      resend: [() => deliveries.resend("1"), delivery],
    },
    replays: {
      get: [() => replays.get("1"), replay],
      list: [() => replays.list({ ...paging, destination_id: "1" }), { page: replay }],
      stop: [() => replays.stop("1"), "nothing"],
    },
    eventTypes: {
      list: [() => eventTypes.list(paging), { page: anything }],
      get: [() => eventTypes.get("a"), anything],
      put: [() => eventTypes.put("a", { description: "a", mode: "notify", schema: {} }), anything],
      delete: [() => eventTypes.delete("a"), "nothing"],
      sample: [() => eventTypes.sample("a"), { id: true, type: true, timestamp: true, data: true }],
    },
    apps: {
      create: [() => apps.create({ slug: "crm", name: "CRM" }), anything],
      list: [() => apps.list(paging), { page: anything }],
      get: [() => apps.get("crm"), anything],
      update: [() => apps.update("crm", { name: "CRM" }), anything],
      delete: [() => apps.delete("crm"), "nothing"],
    },
    functions: {
      create: [() => functions.create({ name: "f", url: target.url, app: "crm" }), anything],
      list: [() => functions.list(paging), { page: anything }],
      get: [() => functions.get(1), anything],
      update: [() => functions.update(1, { timeout_ms: 1000 }), anything],
      delete: [() => functions.delete(1), "nothing"],
      subscribe: [() => functions.subscribe("A", { function_id: 1, stage: 1, on_error: "fail", filter: "true" }), anything],
      unsubscribe: [() => functions.unsubscribe("A", { function_id: 1 }), anything],
      invocations: [
        () => functions.invocations({ ...paging, function_id: 1, event_id: "1", status: "dead" }),
        { page: anything },
      ],
      retryInvocation: [() => functions.retryInvocation("1"), anything],
    },
    keys: {
      create: [() => keys.create({ name: "k", scopes: ["events:read"], expires_at: day }), newKey],
      list: [() => keys.list(paging), { page: key }],
      revoke: [() => keys.revoke("1"), "nothing"],
      streamTicket: [() => keys.streamTicket(), ticket],
    },
  };
}

/** What was asked of a broker that is not there: it answers whatever any of the calls reads. */
function recorder(): { readonly asked: Request[]; readonly client: Client } {
  const asked: Request[] = [];
  const answer = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    asked.push(request);
    if (request.headers.get("Accept") === "text/event-stream") {
      const body = "event: stream.end\ndata: {}\n\n";
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    }
    const body = { data: [], events: [], has_more: false, next_cursor: null };
    return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
  };
  return { asked, client: new Client({ baseUrl: "http://broker.example", apiKey: "k", fetch: answer }) };
}

/** The operation of a request: a path that is written out comes before one that stands for anything. */
function operationOf(document: Document, request: Request): Operation {
  const path = new URL(request.url).pathname;
  const holes = (template: string): number => template.split("{").length;
  const fitting = Object.entries(document.paths)
    .filter(([template]) => new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]+")}$`).test(path))
    .sort(([one], [other]) => holes(one) - holes(other))
    .map(([, operations]) => operations[request.method.toLowerCase()])
    .filter((operation) => operation !== undefined);
  const [operation] = fitting;
  assert.ok(operation, `${request.method} ${path} is not in the document`);
  return operation;
}

function resolved(document: Document, schema: Schema | undefined): Schema {
  const name = schema?.$ref?.split("/").at(-1);
  return (name === undefined ? schema : document.components.schemas[name]) ?? {};
}

/** The members that a schema names; of one that may be several things, those of all of them. */
function membersOf(document: Document, schema: Schema | undefined): Set<string> {
  const whole = resolved(document, schema);
  const others = (whole.anyOf ?? []).flatMap((one) => [...membersOf(document, one)]);
  return new Set([...Object.keys(whole.properties ?? {}), ...others]);
}

function within(names: Iterable<string>, known: ReadonlySet<string>, what: string): void {
  const unknown = [...names].filter((name) => !known.has(name));
  assert.deepEqual(unknown, [], `${what}: the document does not name them`);
}

async function checkRequest(document: Document, request: Request, what: string): Promise<Operation> {
  const operation = operationOf(document, request);
  const known = (place: string): Set<string> =>
    new Set(operation.parameters.filter((one) => one.in === place).map((one) => one.name.toLowerCase()));
  within(new URL(request.url).searchParams.keys(), known("query"), what);
  const own = ["accept", "authorization", "cache-control", "content-type"];
  within(
    [...request.headers.keys()].filter((name) => !own.includes(name)),
    known("header"),
    what,
  );
  const body = await request.text();
  if (body === "") {
    assert.ok(!operation.requestBody?.required, `${what}: the body is required`);
  } else {
    const schema = operation.requestBody?.content["application/json"]?.schema;
    within(Object.keys(JSON.parse(body) as object), membersOf(document, schema), what);
  }
  return operation;
}

function checkAnswer(document: Document, operation: Operation, answer: Answer, what: string): void {
  const bodies = Object.entries(operation.responses)
    .filter(([status]) => status.startsWith("2"))
    .map(([, response]) => response.content?.["application/json"]?.schema)
    .filter((schema) => schema !== undefined);
  if (answer === "nothing") return assert.deepEqual(bodies, [], what);
  assert.ok(bodies.length > 0, `${what} is answered without a body`);
  const promised = new Set(bodies.flatMap((schema) => [...membersOf(document, schema)]));
  const things = (member: string): Set<string> =>
    membersOf(document, resolved(document, resolved(document, bodies[0]).properties?.[member]).items);
  if ("page" in answer) {
    within(Object.keys(page), promised, what);
    within(Object.keys(answer.page), things("data"), what);
  } else if ("list" in answer) {
    within(Object.keys(answer.of), things(String(answer.list)), what);
  } else {
    within(Object.keys(answer), promised, what);
  }
}

/** The names of the methods that a resource has. */
function methodsOf(resource: object): string[] {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(resource));
  return names.filter((name) => name !== "constructor").sort();
}

test(
  "every call and every answer is as the document says",
  withBroker(async (broker: Broker) => {
    const document = (await (await fetch(`${broker.url}/openapi.json`)).json()) as Document;
    const { asked, client } = recorder();
    const table = calls(client);
    const resources = Object.keys(client).filter((name) => name !== "webhooks");
    assert.deepEqual(Object.keys(table).sort(), resources.sort(), "a resource is not tried");
    for (const [resource, methods] of Object.entries(table)) {
      const known = methodsOf(client[resource as keyof Client]);
      assert.deepEqual(Object.keys(methods).sort(), known, `a method of ${resource} is not tried`);
      for (const [method, [call, answer]] of Object.entries(methods)) {
        const what = `${resource}.${method}`;
        await call();
        const request = asked.splice(0)[0];
        assert.ok(request, `${what} asks nothing`);
        checkAnswer(document, await checkRequest(document, request, what), answer, what);
      }
    }
  }),
);
