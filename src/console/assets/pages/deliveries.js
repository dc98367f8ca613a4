/** What a destination was sent: a list by status, and one delivery with every attempt. */
import { get, post } from "../lib/api.js";
import { number } from "../lib/format.js";
import { html } from "../lib/html.js";
import { setQuery, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad } from "../lib/use.js";
import { Act, Pager, Search } from "../parts/act.js";
import { Attempt } from "../parts/trial.js";
import { Empty, Field, Loaded, Status, Table, Time } from "../parts/ui.js";

const STATUSES = ["pending", "retrying", "delivered", "dead", "expired", "cancelled"];
const EVERY = 4000;

/** `only` is a status that the list is held to; else the query of the address has it. */
export function Deliveries({ id, query, only }) {
  const { cursor } = query;
  const filters = { status: only ?? query.status, type: query.type };
  const load = (signal) => get(`api/v1/destinations/${id}/deliveries`, { ...filters, cursor, limit: 50 }, signal);
  const state = useLoad(load, [id, filters.status, filters.type, cursor], EVERY);
  const filter = (change) => setQuery({ cursor: "", ...change });
  return html`<div class="row">
      ${!only && html`<${Field} label="Status">
        <select value=${query.status ?? ""} onChange=${(event) => filter({ status: event.target.value })}>
          <option value="">Any</option>
          ${STATUSES.map((one) => html`<option value=${one}>${one}</option>`)}
        </select>
      <//>`}
      <${Search} label="Event type" hint="Or a group: pipeline.*" value=${query.type} onSearch=${(type) => filter({ type })} />
    </div>
    <${Loaded} from=${state}>${(page) => page.data.length || cursor || page.has_more ? html`
      <${Table} label="Deliveries" head=${["Event", "Of", "Status", "Attempts", "Last answer", "Next", ""]}>
        ${page.data.map((one) => html`<${Row} key=${one.id} one=${one} reload=${state.reload} />`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${(next) => setQuery({ cursor: next })} />` : html`<${Nothing} id=${id} filters=${filters} />`}<//>`;
}

/** What the endpoint said last, in a few words. */
const said = (last) => (last ? [last.status && `HTTP ${last.status}`, last.error].filter(Boolean).join(": ") : "–");

function Row({ one, reload }) {
  const again = async () => {
    await post(`api/v1/deliveries/${one.id}/resend`);
    await reload();
  };
  return html`<tr>
    <td><a href=${to(["destinations", one.destination_id, "deliveries", one.id])}>${one.event_type ?? "gone by retention"}</a>
      <br /><small class="mono">${one.event_id ?? one.sequence}</small></td>
    <td><${Time} at=${one.timestamp} /></td>
    <td><${Status} of=${one.status} /></td>
    <td>${number(one.attempts)}</td>
    <td>${said(one.last_attempt)}</td>
    <td><${Time} at=${one.next_attempt_at} relative /></td>
    <td>${may("destinations:write") && one.event_id && html`<${Act} label="Resend" kind="small" run=${again} />`}</td>
  </tr>`;
}

function Nothing({ id, filters }) {
  if (filters.status === "dead" && !filters.type) {
    return html`<${Empty} title="No dead letters">Nothing has run out of attempts. What does stays here until retention, and can be sent again.<//>`;
  }
  if (filters.status || filters.type) return html`<${Empty} title="No such delivery">None passes the filter.<//>`;
  const command = `curl -X POST ${location.origin}/api/v1/destinations/${id}/test \\
  -H "Authorization: Bearer $CAMPANILE_KEY"`;
  return html`<${Empty} title="No delivery yet" command=${command}>
    Events that match are sent as they are published. A test sends a sample at once, without a delivery:
  <//>`;
}

/** One delivery. It is loaded again while it is under way. */
export function Delivery({ id }) {
  const state = useLoad((signal) => get(`api/v1/deliveries/${encodeURIComponent(id)}`, {}, signal), [id], EVERY);
  const resend = async () => {
    await post(`api/v1/deliveries/${encodeURIComponent(id)}/resend`);
    await state.reload();
  };
  return html`<${Loaded} from=${state}>${(one) => html`
    <h2>Delivery of ${one.event_type ?? "an event that is gone"} <${Status} of=${one.status} /></h2>
    <dl class="details">
      <div><dt>Event</dt><dd>${one.event_id && may("events:read")
        ? html`<a href=${to(["events", one.event_id])}>${one.event_id}</a>`
        : html`<code>${one.event_id ?? "gone by retention"}</code>`}</dd></div>
      <div><dt>Delivery</dt><dd><code>${one.id}</code></dd></div>
      <div><dt>Place in the log</dt><dd>${one.sequence}</dd></div>
      <div><dt>Next attempt</dt><dd><${Time} at=${one.next_attempt_at} relative /></dd></div>
    </dl>
    ${may("destinations:write") && one.event_id && html`<div class="row"><${Act} label="Resend now" run=${resend} /></div>`}
    <${Attempts} of=${one.attempts} />
  `}<//>`;
}

/** Every attempt of a delivery, the newest first. */
export function Attempts({ of }) {
  if (!of.length) return html`<p class="soft">No attempt yet.</p>`;
  return of.toReversed().map((attempt) => html`<${Attempt} key=${attempt.attempt} attempt=${attempt}
    delivered=${attempt.status >= 200 && attempt.status < 300 && !attempt.error} />`);
}
