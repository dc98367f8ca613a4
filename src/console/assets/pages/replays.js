/** Sending a range of the log to a destination again: counted first, then watched, stopped when need be. */
import { get, post, remove } from "../lib/api.js";
import { exact, number } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { may } from "../lib/session.js";
import { useAction, useLoad } from "../lib/use.js";
import { Act, Pager } from "../parts/act.js";
import { Empty, Field, Loaded, Problem, Status, Table, Time } from "../parts/ui.js";
import { split } from "./destination-new.js";

const EVERY = 2000;

const ONLY = {
  failed: "Those that failed in the end",
  missing: "Those that were given up without an attempt",
  all: "All, also what was delivered",
};

const FIRST = { since: "", until: "", types: "", only: "failed", rate: "" };

/** What the form says as the API takes it. */
export function bodyOf(draft) {
  const body = { only: draft.only };
  if (draft.since) body.since = exact(draft.since);
  if (draft.until) body.until = exact(draft.until);
  if (split(draft.types).length) body.types = split(draft.types);
  if (draft.rate) body.rate_per_s = Number(draft.rate);
  return body;
}

export function Replays({ id }) {
  const [cursor, setCursor] = useState("");
  const load = (signal) => get("api/v1/replays", { destination_id: id, limit: 20, cursor }, signal);
  const state = useLoad(load, [id, cursor], EVERY);
  return html`${may("destinations:write") && html`<${Ask} id=${id} began=${state.reload} />`}
    <section>
      <h2>Replays</h2>
      <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
        <${Table} label="Replays" head=${["Begun", "Range", "Which", "Status", "Progress", "Failed", ""]}>
          ${page.data.map((one) => html`<${Row} key=${one.id} one=${one} reload=${state.reload} />`)}
        <//>
        <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`<${Nothing} id=${id} />`}<//>
    </section>`;
}

function Nothing({ id }) {
  const command = `curl -X POST ${location.origin}/api/v1/destinations/${id}/replay \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"only": "failed", "dry_run": true}'`;
  return html`<${Empty} title="No replay yet" command=${command}>A replay sends stored events again. This counts how many it would send:<//>`;
}

function Ask({ id, began }) {
  const [draft, setDraft] = useState(FIRST);
  const [count, setCount] = useState(null);
  const path = `api/v1/destinations/${id}/replay`;
  const set = (name) => (event) => {
    setDraft({ ...draft, [name]: event.target.value });
    setCount(null);
  };
  const [ask, asking, error] = useAction(async (only_counted) => {
    if (only_counted) return setCount((await post(path, { ...bodyOf(draft), dry_run: true })).total);
    await post(path, bodyOf(draft));
    setCount(null);
    await began();
  });
  const submit = (event) => {
    event.preventDefault();
    ask(count === null);
  };
  return html`<section>
    <h2>Send again</h2>
    <form onSubmit=${submit}>
      <div class="row">
        <${Field} label="From"><input type="datetime-local" step="1" value=${draft.since} onInput=${set("since")} /><//>
        <${Field} label="Until"><input type="datetime-local" step="1" value=${draft.until} onInput=${set("until")} /><//>
        <${Field} label="Which">
          <select value=${draft.only} onChange=${set("only")}>
            ${Object.entries(ONLY).map(([one, text]) => html`<option value=${one}>${text}</option>`)}
          </select>
        <//>
      </div>
      <div class="row">
        <${Field} label="Event types (all when empty)"><input type="text" spellcheck="false" value=${draft.types} onInput=${set("types")} /><//>
        <${Field} label="At most a second"><input type="number" min="1" max="100000" value=${draft.rate} onInput=${set("rate")} /><//>
      </div>
      <${Problem} error=${error} />
      <p role="status">${count === null
        ? html`<span class="soft">Times are of this browser's zone. It is counted before anything is sent.</span>`
        : html`<strong>${number(count)} ${count === 1 ? "event" : "events"}</strong> would be sent.`}</p>
      <div class="row">
        <button type="button" disabled=${asking} onClick=${() => ask(true)}>Count</button>
        <button type="submit" class="main" disabled=${asking || !count}>Send again</button>
      </div>
    </form>
  </section>`;
}

function Row({ one, reload }) {
  const under_way = one.status === "running" || one.status === "queued";
  const stop = async () => {
    await remove(`api/v1/replays/${one.id}`);
    await reload();
  };
  const ended = one.done + one.failed;
  const total = one.total === null ? "…" : number(one.total);
  return html`<tr>
    <td><${Time} at=${one.created_at} /></td>
    <td>${one.since ? html`<${Time} at=${one.since} />` : "the oldest"} to ${one.until ? html`<${Time} at=${one.until} />` : "its begin"}</td>
    <td>${one.only}${one.types.length > 0 && `, ${one.types.join(", ")}`}${one.rate_per_s && `, ${one.rate_per_s} a second`}</td>
    <td><${Status} of=${one.status} /></td>
    <td>
      <progress max=${one.total || 1} value=${one.total === 0 ? 1 : ended} aria-label=${`${ended} of ${total} sent`}></progress>
      <br /><small>${number(ended)} of ${total}${one.waiting > 0 && `, ${number(one.waiting)} under way`}</small>
    </td>
    <td>${number(one.failed)}</td>
    <td>${under_way && may("destinations:write") && html`<${Act} label="Stop" kind="small danger" run=${stop}
      ask="What was sent stays sent. It cannot go on later; a new one can." />`}</td>
  </tr>`;
}
