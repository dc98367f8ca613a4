/**
 * Events that the log keeps: found by type, pipeline, run, time and payload, the newest first, leafed through both ways by
 * their place in the log. One event is a page of its own.
 */
import { exact, local } from "../lib/format.js";
import { html, useEffect } from "../lib/html.js";
import { leaf } from "../lib/log.js";
import { go, setQuery, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Empty, Field, Loaded, Table, Time } from "../parts/ui.js";
import { allTypes } from "./destination-new.js";
import { Event } from "./event.js";

const AT_ONCE = 50;
const EVERY = 5000;
const MOST_SHOWN = 90;
const FILTERS = ["type", "pipeline", "run_id", "since", "until", "filter"];
const HOUR_MS = 3_600_000;

export function Events({ rest, query }) {
  return rest[0] ? html`<${Event} id=${rest[0]} />` : html`<${List} query=${query} />`;
}

function List({ query }) {
  useTitle("Events");
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]));
  const { before, after } = query;
  const name = JSON.stringify([asked, before, after]);
  // Only the newest page changes, and one with an expression costs too much to be asked for again and again.
  const every = before || after || asked.filter ? 0 : EVERY;
  const state = useLoad((signal) => leaf({ query: asked, before, after, limit: AT_ONCE }, signal), [name], every);
  useEffect(() => window.scrollTo(0, 0), [name]);
  useEffect(() => {
    if (after && state.data?.newest) setQuery({ after: "", before: "" });
  }, [state.data]);
  return html`<h1>Events</h1>
    <${Search} asked=${asked} />
    <${Loaded} from=${state}>${(page) => html`
      ${page.events.length ? html`<${Rows} events=${page.events} asked=${asked} />` : html`<${Nothing} asked=${asked} page=${page} />`}
      <${Leaf} asked=${asked} page=${page} isNewest=${!before && !after} />
    `}<//>`;
}

/** The address of the first page of the same search, changed. */
const searched = (asked, change) => to(["events"], { ...asked, ...change });

function Search({ asked }) {
  const types = useLoad(allTypes, []);
  const submit = (event) => {
    event.preventDefault();
    const { id, since, until, ...said } = Object.fromEntries(new FormData(event.target));
    if (id.trim()) go(["events", id.trim()]);
    else go(["events"], { ...said, since: sameSecond(since, asked.since), until: sameSecond(until, asked.until) });
  };
  const plain = { spellcheck: "false", autocapitalize: "off", autocomplete: "off" };
  const last = (hours) => searched(asked, { since: new Date(Date.now() - hours * HOUR_MS).toISOString(), until: "" });
  return html`<form onSubmit=${submit} key=${JSON.stringify(asked)} role="search" aria-label="Events">
    <div class="row">
      <${Field} label="Type"><input ...${plain} name="type" list="types" defaultValue=${asked.type} placeholder="pipeline.*" /><//>
      <${Field} label="Pipeline"><input ...${plain} name="pipeline" defaultValue=${asked.pipeline} /><//>
      <${Field} label="Run"><input ...${plain} name="run_id" defaultValue=${asked.run_id} /><//>
      <${Field} label="Event's id"><input ...${plain} name="id" placeholder="evt_…" /><//>
      <datalist id="types">${types.data?.map(({ name }) => html`<option value=${name}></option>`)}</datalist>
    </div>
    <div class="row">
      <${Field} label="From"><input type="datetime-local" step="1" name="since" defaultValue=${local(asked.since)} /><//>
      <${Field} label="Until"><input type="datetime-local" step="1" name="until" defaultValue=${local(asked.until)} /><//>
      <${Field} label="Filter (CEL)"><input ...${plain} name="filter" defaultValue=${asked.filter} placeholder="data.rows > 1000" /><//>
      <button type="submit" class="main">Find</button>
      <a class="button" href=${to(["events"])} onClick=${(event) => event.target.closest("form").reset()}>Clear</a>
    </div>
    <p class="soft">
      The last <a href=${last(1)}>hour</a>, <a href=${last(24)}>day</a>, <a href=${last(7 * 24)}>week</a>.
      Times are of this browser's zone. ${asked.run_id && html`<a href=${to(["runs", asked.run_id])}>This run on a time line</a>. `}
      <a href=${to(["live"], { type: asked.type, pipeline: asked.pipeline, filter: asked.filter })}>Watch them live</a>
    </p>
  </form>`;
}

/** What an input says, or the exact time that it stands for and rounds. */
const sameSecond = (said, was) => (said === local(was) ? was : exact(said));

function Rows({ events, asked }) {
  return html`<${Table} label="Events, newest first" head=${["Time", "Event", "Pipeline", "Run", "Data"]}>
    ${events.map((one) => html`<tr key=${one.sequence}>
      <td><${Time} at=${one.timestamp} /></td>
      <td><a href=${to(["events", one.id])}>${one.type}</a><br /><small class="mono">${one.id}</small></td>
      <td>${one.pipeline && html`<a href=${searched(asked, { pipeline: one.pipeline })}>${one.pipeline}</a>`}</td>
      <td>${one.run_id && html`<a href=${to(["runs", one.run_id])}>${one.run_id}</a>`}</td>
      <td><code class="soft">${excerpt(one.data)}</code></td>
    </tr>`)}
  <//>`;
}

/** The beginning of what was published. */
export function excerpt(data) {
  const text = JSON.stringify(data);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

function Leaf({ asked, page, isNewest }) {
  const { newer, older } = page;
  if (isNewest && !older) return null;
  return html`<nav class="row" aria-label="Further events">
    ${!isNewest && html`<a class="button" href=${searched(asked)}>Newest</a>`}
    ${newer && html`<a class="button" href=${searched(asked, { after: newer })}>Newer</a>`}
    ${older && html`<a class="button" href=${searched(asked, { before: older })}>Older</a>
      <a class="button" href=${searched(asked, { after: "oldest" })}>Oldest</a>`}
  </nav>`;
}

function Nothing({ asked, page }) {
  if (page.older) {
    return html`<${Empty} title="Nothing found so far">
      The log was looked through back to place ${page.older}. <a href=${searched(asked, { before: page.older })}>Look further</a>
    <//>`;
  }
  const set = Object.entries(asked).filter(([, value]) => value);
  if (set.length) {
    const command = `curl -G ${location.origin}/api/v1/events -H "Authorization: Bearer $CAMPANILE_KEY" \\
  ${set.map(([name, value]) => `--data-urlencode '${name}=${value.replaceAll("'", "'\\''")}'`).join(" ")}`;
    return html`<${Empty} title="No event passes" command=${command}>
      Retention may have removed it, or it is of another type, pipeline or time. <a href=${to(["events"])}>All events</a>. The same in a terminal:
    <//>`;
  }
  const command = `curl -X POST ${location.origin}/api/v1/events \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"type": "pipeline.completed", "pipeline": "user-analytics", "run_id": "run_001", "data": {"rows_loaded": 892}}'`;
  return html`<${Empty} title="No event yet" command=${command}>
    ${may("events:publish") ? "Publish one:" : html`A key with the scope <code>events:publish</code> publishes one:`}
  <//>`;
}
