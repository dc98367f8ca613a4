/** Runs of functions: what each answered, and why the publish of a PRE event was refused. */
import { get, post } from "../lib/api.js";
import { duration, number } from "../lib/format.js";
import { html } from "../lib/html.js";
import { setQuery, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad } from "../lib/use.js";
import { Act, Pager, Search } from "../parts/act.js";
import { Empty, Field, Loaded, Status, Table, Time } from "../parts/ui.js";

const STATUSES = ["pending", "running", "success", "error", "timeout", "cancelled", "dead"];
const EVERY = 4000;

const KINDS = {
  rejected: "It refused",
  error: "It failed",
  timeout: "It took too long",
  address_refused: "Its address may not be called",
  bad_response: "Its answer is not one of a function",
  too_large: "Its answer is too large",
};

/** Why a run did not succeed, in words. */
export function reason({ error, status }) {
  if (!error) return status === "cancelled" ? "Cancelled, as another function failed or the publisher went away" : "";
  const kind = KINDS[error.kind] ?? "It failed";
  return `${kind}${error.code ? ` (${error.code})` : ""}${error.message ? `: ${error.message}` : ""}`;
}

/** Whether a run made the publish of its event fail. */
export const refuses = (one) => one.mode === "pre" && one.on_error === "fail" && ["error", "timeout"].includes(one.status);

export function Invocations({ query }) {
  const { function_id, event_id, status, cursor } = query;
  const load = (signal) => get("api/v1/invocations", { function_id, event_id, status, cursor, limit: 50 }, signal);
  const state = useLoad(load, [function_id, event_id, status, cursor], EVERY);
  const filter = (change) => setQuery({ cursor: "", ...change });
  return html`<div class="row">
      <${Field} label="Status">
        <select value=${status ?? ""} onChange=${(event) => filter({ status: event.target.value })}>
          <option value="">Any</option>
          ${STATUSES.map((one) => html`<option value=${one}>${one}</option>`)}
        </select>
      <//>
      <${Search} label="Function's number" value=${function_id} onSearch=${(id) => filter({ function_id: id })} />
      <${Search} label="Event's id" value=${event_id} onSearch=${(id) => filter({ event_id: id })} />
    </div>
    <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
      ${event_id && html`<${Verdict} runs=${page.data} />`}
      <${Table} label="Invocations" head=${["Run", "Event", "Status", "Took", "Attempts", "Why", "Begun"]}>
        ${page.data.map((one) => html`<tr key=${one.id}>
          <td><a href=${to(["functions", "invocations", one.id])}>${one.function_name}</a><br /><small>run ${one.id}</small></td>
          <td><a href=${to(["functions", "invocations"], { event_id: one.event_id })}>${one.event_type}</a>
            <br /><small>${one.mode.toUpperCase()}${one.mode === "pre" && `, stage ${one.stage}`}</small></td>
          <td><${Status} of=${one.status} /></td>
          <td>${duration(one.duration_ms)}</td>
          <td>${number(one.attempts)}</td>
          <td>${refuses(one) && html`<strong>Publish refused. </strong>`}${reason(one)}</td>
          <td><${Time} at=${one.started_at ?? one.created_at} /></td>
        </tr>`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${(next) => setQuery({ cursor: next })} />` : html`<${Nothing} filtered=${function_id || event_id || status} />`}<//>`;
}

/** What became of one publish, from the runs of its functions. */
function Verdict({ runs }) {
  const refusing = runs.filter(refuses);
  if (!refusing.length) return null;
  return html`<div class="problem">
    <strong>This publish was refused.</strong>
    <ul>${refusing.map((one) => html`<li>${one.function_name}: ${reason(one)}</li>`)}</ul>
  </div>`;
}

function Nothing({ filtered }) {
  if (filtered) return html`<${Empty} title="No such run">None passes the filter.<//>`;
  const command = `curl -X POST "${location.origin}/api/v1/events?wait=true" \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"type": "PRE_USER_CREATE", "data": {"email": "ada@example.com"}}'`;
  return html`<${Empty} title="No run yet" command=${command}>
    Functions run when an event that they <a href=${to(["functions", "subscriptions"])}>subscribe to</a> is published:
  <//>`;
}

/** One run with every attempt. */
export function Invocation({ id }) {
  const path = `api/v1/invocations/${encodeURIComponent(id)}`;
  const state = useLoad((signal) => get(path, {}, signal), [id], EVERY);
  const retry = async () => {
    await post(`${path}/retry`);
    await state.reload();
  };
  return html`<${Loaded} from=${state}>${(one) => html`
    <h2>Run ${one.id} of ${one.function_name} <${Status} of=${one.status} /></h2>
    ${(one.error || one.status === "cancelled") && html`<div class="problem">
      ${refuses(one) && html`<strong>The publish was refused. </strong>`}${reason(one)}
    </div>`}
    <dl class="details">
      <div><dt>Event</dt><dd><a href=${to(["functions", "invocations"], { event_id: one.event_id })}>All runs of this ${one.event_type}</a>
        <br /><code>${one.event_id}</code></dd></div>
      <div><dt>Mode</dt><dd>${one.mode.toUpperCase()}${one.mode === "pre" && `, stage ${one.stage}; a failure ${one.on_error === "fail" ? "refuses the publish" : "is ignored"}`}</dd></div>
      <div><dt>Function</dt><dd><a href=${to(["functions", "invocations"], { function_id: one.function_id })}>All runs of ${one.function_name}</a></dd></div>
      <div><dt>Task</dt><dd><code>${one.task_id}</code></dd></div>
      <div><dt>Took</dt><dd>${duration(one.duration_ms)}</dd></div>
      <div><dt>Next attempt</dt><dd><${Time} at=${one.next_attempt_at} relative /></dd></div>
    </dl>
    ${may("functions:write") && one.mode === "post" && html`<div class="row"><${Act} label="Run again" run=${retry} /></div>`}
    ${one.result && html`<h3>Result</h3><pre class="code" tabindex="0">${JSON.stringify(one.result, null, 2)}</pre>`}
    ${one.attempts.length > 0 && html`<h3>Attempts</h3>
      <${Table} label="Attempts" head=${["Attempt", "At", "Status", "Took", "Why"]}>
        ${one.attempts.map((attempt) => html`<tr>
          <td>${attempt.attempt}</td>
          <td><${Time} at=${attempt.at} /></td>
          <td><${Status} of=${attempt.status} /></td>
          <td>${duration(attempt.duration_ms)}</td>
          <td>${reason(attempt)}</td>
        </tr>`)}
      <//>`}
  `}<//>`;
}
