/** Which types of events there are: what each means, an example, and what its data must be. */
import { get, remove } from "../lib/api.js";
import { html } from "../lib/html.js";
import { go, setQuery, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Act } from "../parts/act.js";
import { Command, Copy, Empty, Field, Loaded, Problem, Table } from "../parts/ui.js";
import { EditType } from "./type-edit.js";

const MODES = {
  notify: "Told after the fact, to destinations and streams.",
  pre: "Asks functions first: each of them can refuse it or change its params.",
  post: "Runs functions after the fact, with retries.",
};

export function Types({ rest, query }) {
  if (rest[0]) return html`<${Type} name=${rest[0]} edits=${rest[1] === "edit" && may("admin")} />`;
  return query.new && may("admin") ? html`<${EditType} />` : html`<${List} query=${query} />`;
}

function List({ query }) {
  useTitle("Event types");
  const state = useLoad((signal) => get("api/v1/event-types", { limit: 1000 }, signal), []);
  const looked = (query.q ?? "").toLowerCase();
  const passes = (one) => !looked || `${one.name} ${one.description} ${one.catalog ?? ""}`.toLowerCase().includes(looked);
  return html`<div class="row spread">
      <h1>Event types</h1>
      ${may("admin") && html`<div><a class="button" href=${to(["types"], { new: 1 })}>New event type</a></div>`}
    </div>
    <${Loaded} from=${state}>${({ data, has_more: more }) => {
      if (!data.length) return html`<${Nothing} />`;
      const shown = data.filter(passes);
      return html`<div class="row">
          <${Field} label="Find" hint=${`${shown.length} of ${data.length}${more ? " (the first ones)" : ""}`}>
            <input type="search" value=${query.q ?? ""} onInput=${(event) => setQuery({ q: event.target.value })} />
          <//>
        </div>
        <${Table} label="Event types" head=${["Type", "Mode", "Catalog", "Meaning"]}>
          ${shown.map((one) => html`<tr key=${one.name}>
            <td><a href=${to(["types", one.name])}><code>${one.name}</code></a>${one.deprecated && html`<br /><small>deprecated</small>`}</td>
            <td>${one.mode}</td>
            <td>${one.catalog ?? "your own"}</td>
            <td>${one.description}</td>
          </tr>`)}
        <//>`;
    }}<//>`;
}

function Nothing() {
  const command = `curl -X PUT ${location.origin}/api/v1/event-types/order.paid \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"description": "An order was paid.", "schema": {"type": "object", "required": ["amount"]}, "sample": {"amount": 5}}'`;
  return html`<${Empty} title="No event type is defined" command=${command}>
    Events of any type are taken. A catalog in the configuration (<code>events.catalogs</code>) brings types with schemas;
    a key with the scope <code>admin</code> defines one of your own:
  <//>`;
}

/** A type with its sample, or with the reason why there is none. */
async function look(name, signal) {
  const path = `api/v1/event-types/${encodeURIComponent(name)}`;
  const sample = get(`${path}/sample`, {}, signal).then((event) => ({ event }), (refusal) => ({ refusal }));
  return { type: await get(path, {}, signal), ...(await sample) };
}

const pretty = (value) => JSON.stringify(value, null, 2);

/** A text between the single quotes of a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function Type({ name, edits }) {
  useTitle(name);
  const state = useLoad((signal) => look(name, signal), [name]);
  if (edits && state.data) return html`<${EditType} known=${state.data.type} />`;
  return html`<p><a href=${to(["types"])}>All event types</a></p>
    <h1>${name}</h1>
    <${Loaded} from=${state}>${({ type, event, refusal }) => html`
      <p>${type.description}</p>
      ${may("admin") && !type.catalog && html`<${Changes} name=${name} />`}
      <dl class="details">
        <div><dt>Mode</dt><dd>${type.mode}. ${MODES[type.mode]}</dd></div>
        <div><dt>Catalog</dt><dd>${type.catalog ?? "none: your own"}</dd></div>
        <div><dt>Format of webhooks</dt><dd>${type.format ?? "envelope"}</dd></div>
        ${type.deprecated && html`<div><dt>Deprecated</dt><dd>It should not be used any more.</dd></div>`}
      </dl>
      ${may("events:read") && html`<p><a href=${to(["events"], { type: name })}>Events of this type</a></p>`}
      <section>
        <h2>Sample</h2>
        ${event ? html`<${Sample} event=${event} />` : html`<${Problem} error=${refusal} />`}
      </section>
      <section>
        <h2>Schema of the data</h2>
        ${type.schema
          ? html`<pre class="code" tabindex="0">${pretty(type.schema)}</pre><${Copy} text=${pretty(type.schema)} />`
          : html`<p class="soft">None: any JSON object will do.</p>`}
      </section>
    `}<//>`;
}

/** What one may do with a type of one's own. */
function Changes({ name }) {
  const removed = async () => {
    await remove(`api/v1/event-types/${encodeURIComponent(name)}`);
    go(["types"]);
  };
  return html`<div class="row">
    <a class="button" href=${to(["types", name, "edit"])}>Change</a>
    <${Act} label="Delete" kind="danger" run=${removed}
      ask="Events of this type are taken all the same, without a schema. Those in the log stay." />
  </div>`;
}

function Sample({ event }) {
  const command = `curl -X POST ${location.origin}/api/v1/events \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(event))}`;
  return html`<pre class="code" tabindex="0">${pretty(event)}</pre>
    <details><summary>Publish it</summary><${Command} text=${command} /></details>`;
}
