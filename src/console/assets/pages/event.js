/** One event: as it was published, who was sent it with every attempt, which functions it ran, and sending it again. */
import { get, post, text } from "../lib/api.js";
import { duration, number } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Act, Pager } from "../parts/act.js";
import { Payload } from "../parts/payload.js";
import { Command, Copy, Empty, Loaded, Status, Table, Time } from "../parts/ui.js";
import { Attempts } from "./deliveries.js";
import { reason, refuses } from "./invocations.js";

const EVERY = 4000;

export function Event({ id }) {
  const path = `api/v1/events/${encodeURIComponent(id)}`;
  const state = useLoad((signal) => text(path, {}, signal), [id]);
  useTitle(`Event ${id}`);
  return html`<p><a href=${to(["events"])}>All events</a></p>
    <${Loaded} from=${state}>${(shown) => {
      const event = JSON.parse(shown);
      return html`<h1>${event.type}</h1>
        <${Details} event=${event} />
        <section>
          <h2>As it was published</h2>
          <${Payload} text=${shown} />
          <details><summary>In a terminal</summary>
            <${Command} text=${`curl -H "Authorization: Bearer $CAMPANILE_KEY" ${location.origin}/${path}`} />
          </details>
        </section>
        ${may("destinations:read") && html`<${Deliveries} event=${event} path=${path} />`}
        ${may("functions:read") && html`<${Runs} id=${event.id} />`}`;
    }}<//>`;
}

function Details({ event }) {
  const { id, type, pipeline, run_id: run, timestamp, sequence } = event;
  const of = (query) => to(["events"], query);
  return html`<dl class="details">
    <div><dt>Id</dt><dd><code>${id}</code> <${Copy} text=${id} /></dd></div>
    <div><dt>Type</dt><dd><a href=${to(["types", type])}>${type}</a>, <a href=${of({ type })}>all of it</a></dd></div>
    <div><dt>Time</dt><dd><${Time} at=${timestamp} />, <code>${timestamp}</code></dd></div>
    ${pipeline && html`<div><dt>Pipeline</dt><dd><a href=${of({ pipeline })}>${pipeline}</a></dd></div>`}
    ${run && html`<div><dt>Run</dt><dd><a href=${to(["runs", run])}>${run}</a> on a time line, <a href=${of({ run_id: run })}>its events</a></dd></div>`}
    <div><dt>Place in the log</dt><dd>${String(sequence)}, <a href=${of({ before: String(sequence) })}>what came before</a>,${" "}
      <a href=${of({ after: String(sequence) })}>what came after</a></dd></div>
  </dl>`;
}

function Deliveries({ event, path }) {
  const [cursor, setCursor] = useState("");
  const state = useLoad((signal) => get(`${path}/deliveries`, { limit: 25, cursor }, signal), [path, cursor], EVERY);
  return html`<section>
    <h2>Who was sent it</h2>
    <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
      ${page.data.map((one) => html`<${Delivery} key=${one.id} one=${one} reload=${state.reload} />`)}
      <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`<${Nobody} event=${event} />`}<//>
  </section>`;
}

/** What one destination was sent. What went wrong stands open. */
function Delivery({ one, reload }) {
  const load = (signal) => get(`api/v1/destinations/${one.destination_id}`, {}, signal);
  const { data } = useLoad(load, [one.destination_id]);
  const again = async () => {
    await post(`api/v1/deliveries/${one.id}/resend`);
    await reload();
  };
  const name = data?.description || data?.url || one.destination_id;
  return html`<article class="delivery" aria-label=${`To ${name}`}>
    <div class="row spread">
      <h3><a href=${to(["destinations", one.destination_id, "deliveries", one.id])}>${name}</a> <${Status} of=${one.status} /></h3>
      ${may("destinations:write") && html`<div><${Act} label="Resend" run=${again} /></div>`}
    </div>
    ${one.next_attempt_at && html`<p>Tried again <${Time} at=${one.next_attempt_at} relative />.</p>`}
    <details open=${one.status !== "delivered"}>
      <summary>${number(one.attempts.length)} ${one.attempts.length === 1 ? "attempt" : "attempts"}</summary>
      <${Attempts} of=${one.attempts} />
    </details>
  </article>`;
}

function Nobody({ event }) {
  const command = `curl -X POST ${location.origin}/api/v1/destinations \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"url": "https://example.com/hooks", "events": ["${event.type}"], "start": ${event.sequence}}'`;
  return html`<${Empty} title="Nobody was sent it" command=${command}>
    No destination hears this type, or those that do begin after this event or hold it back by their filter. Streams and
    polls are not listed. ${may("destinations:write") && html`<a href=${to(["destinations", "new"])}>Make a destination</a>, or one
    that begins with this event:`}
  <//>`;
}

/** The functions that were run because of it; nothing when there are none. */
function Runs({ id }) {
  const { data } = useLoad((signal) => get("api/v1/invocations", { event_id: id, limit: 100 }, signal), [id], EVERY);
  if (!data?.data.length) return null;
  return html`<section>
    <h2>Functions that it ran</h2>
    <${Table} label="Functions that it ran" head=${["Function", "Status", "Took", "Why"]}>
      ${data.data.map((one) => html`<tr key=${one.id}>
        <td><a href=${to(["functions", "invocations", one.id])}>${one.function_name}</a></td>
        <td><${Status} of=${one.status} /></td>
        <td>${duration(one.duration_ms)}</td>
        <td>${refuses(one) && html`<strong>Publish refused. </strong>`}${reason(one)}</td>
      </tr>`)}
    <//>
  </section>`;
}
