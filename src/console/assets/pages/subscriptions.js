/** Which functions are asked or run when an event is published. */
import { get, post } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { setQuery, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useAction, useLoad } from "../lib/use.js";
import { Act } from "../parts/act.js";
import { Empty, Field, Loaded, Problem, Table, Time } from "../parts/ui.js";

/** Subscriptions are listed app by app: so many apps are asked. */
const MOST_APPS = 50;

const pathOf = (event, action) => `api/cloud/events/${encodeURIComponent(event)}/${action}/`;

async function subscribers(event, signal) {
  if (!event) return [];
  const apps = (await get("api/v1/apps", { limit: MOST_APPS }, signal)).data;
  const pages = apps.map(({ slug }) => get(`api/apps/${slug}/events/${encodeURIComponent(event)}/`, {}, signal));
  const all = (await Promise.all(pages)).flatMap(({ data }) => data.subscribers);
  return all.sort((a, b) => (a.stage ?? 0) - (b.stage ?? 0) || a.subscriber_id - b.subscriber_id);
}

export function Subscriptions({ query }) {
  const state = useLoad((signal) => get("api/cloud/events/", {}, signal), []);
  return html`<${Loaded} from=${state}>${({ data: { events } }) => {
    if (!events.length) return html`<${Nothing} />`;
    const event = events.includes(query.event) ? query.event : events[0];
    return html`<div class="row">
        <${Field} label="Event">
          <select value=${event} onChange=${(chosen) => setQuery({ event: chosen.target.value })}>
            ${events.map((one) => html`<option value=${one}>${one}</option>`)}
          </select>
        <//>
      </div>
      <${OfEvent} key=${event} event=${event} />`;
  }}<//>`;
}

function Nothing() {
  const command = `curl -X PUT ${location.origin}/api/v1/event-types/PRE_ORDER_CREATE \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"description": "Before an order is made.", "mode": "pre"}'`;
  return html`<${Empty} title="No event that functions can hear" command=${command}>
    They hear types whose mode is <code>pre</code> or <code>post</code>. A key with the scope <code>admin</code> defines one:
  <//>`;
}

function OfEvent({ event }) {
  const state = useLoad((signal) => subscribers(event, signal), [event]);
  const type = useLoad((signal) => (may("events:read") ? get(`api/v1/event-types/${event}`, {}, signal) : null), [event]);
  const mode = type.data?.mode;
  return html`<${Loaded} from=${state}>${(all) => html`
      ${all.length
        ? html`<${Table} label=${`Subscribers of ${event}`} head=${["Function", "App", "Stage", "On a failure", "Filter", "Since", ""]}>
            ${all.map((one) => html`<${Row} key=${one.subscriber_id} event=${event} mode=${mode} one=${one} reload=${state.reload} />`)}
          <//>`
        : html`<p class="soft">No function is subscribed to it.</p>`}
    `}<//>
    ${may("functions:write") && html`<${Subscribe} event=${event} mode=${mode} reload=${state.reload} />`}`;
}

/** What a failure of a subscriber does; the mode is unknown to a key that may not read event types. */
function onFailure(mode, { on_error }) {
  if (mode === "post") return "it is tried again";
  return on_error === "ignore" ? "the publish goes on" : "the publish fails";
}

function Row({ event, mode, one, reload }) {
  const end = async () => {
    await post(pathOf(event, "unsubscribe"), { function_id: one.function_id });
    await reload();
  };
  return html`<tr>
    <td><a href=${to(["functions", "invocations"], { function_id: one.function_id })}>${one.function_name}</a></td>
    <td>${one.app_name}</td>
    <td>${one.stage ?? 0}</td>
    <td>${onFailure(mode, one)}</td>
    <td>${one.filter ? html`<code>${one.filter}</code>` : "–"}</td>
    <td><${Time} at=${one.created_at} /></td>
    <td>${may("functions:write") && html`<${Act} label="Unsubscribe" run=${end}
      ask=${`${one.function_name} will not hear ${event} any more.`} />`}</td>
  </tr>`;
}

/** What the form says as the API takes it: a default is left out, as a POST event takes none but a filter. */
export function bodyOf(draft) {
  const body = { function_id: Number(draft.function) };
  if (Number(draft.stage)) body.stage = Number(draft.stage);
  if (draft.on_error !== "fail") body.on_error = draft.on_error;
  if (draft.filter.trim()) body.filter = draft.filter.trim();
  return body;
}

const FIRST = { function: "", stage: "0", on_error: "fail", filter: "" };

function Subscribe({ event, mode, reload }) {
  const [draft, setDraft] = useState(FIRST);
  const functions = useLoad((signal) => get("api/v1/functions", { limit: 1000 }, signal), []);
  const [subscribe, busy, error] = useAction(async () => {
    await post(pathOf(event, "subscribe"), bodyOf(draft));
    setDraft(FIRST);
    await reload();
  });
  const set = (name) => (input) => setDraft({ ...draft, [name]: input.target.value });
  const submit = (submitted) => {
    submitted.preventDefault();
    subscribe();
  };
  return html`<section>
    <h2>Subscribe a function to ${event}</h2>
    <form onSubmit=${submit}>
      <div class="row">
        <${Field} label="Function">
          <select required value=${draft.function} onChange=${set("function")}>
            <option value="">Choose one</option>
            ${functions.data?.data.map(({ id, name }) => html`<option value=${id}>${name}</option>`)}
          </select>
        <//>
        ${mode !== "post" && html`<${Field} label="Stage (0 runs first)">
            <input type="number" min="0" max="9" value=${draft.stage} onInput=${set("stage")} />
          <//>
          <${Field} label="When it fails">
            <select value=${draft.on_error} onChange=${set("on_error")}>
              <option value="fail">The publish fails</option>
              <option value="ignore">The publish goes on</option>
            </select>
          <//>`}
        <${Field} label="Filter (CEL)"><input type="text" spellcheck="false" placeholder="data.amount > 100" value=${draft.filter} onInput=${set("filter")} /><//>
        <button type="submit" class="main" disabled=${busy || !draft.function}>Subscribe</button>
      </div>
      <${Problem} error=${error} />
    </form>
  </section>`;
}
