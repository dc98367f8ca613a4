/** Runs of pipelines: the newest ones, and one drawn on a time line from the events that tell of it. */
import { duration, number } from "../lib/format.js";
import { html } from "../lib/html.js";
import { readPage } from "../lib/log.js";
import { go, to } from "../lib/router.js";
import { runOf, runsOf } from "../lib/runs.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Empty, Field, Loaded, Status, Table, Time } from "../parts/ui.js";

/** Runs are gathered from so many of the newest events of pipelines. */
const LOOKED_AT = 500;
/** More events of one run are not drawn. */
const MOST_EVENTS = 1000;
const EVERY = 3000;
const WIDTH = 600;

export function Runs({ rest, query }) {
  return rest[0] ? html`<${Run} id=${rest[0]} />` : html`<${List} pipeline=${query.pipeline ?? ""} />`;
}

function List({ pipeline }) {
  useTitle("Runs");
  const query = { type: "pipeline.*", pipeline };
  const load = async (signal) => runsOf((await readPage({ query, order: "desc", limit: LOOKED_AT }, signal)).events);
  const state = useLoad(load, [pipeline], EVERY);
  const submit = (event) => {
    event.preventDefault();
    const { run, pipeline: wanted } = Object.fromEntries(new FormData(event.target));
    if (run.trim()) go(["runs", run.trim()]);
    else go(["runs"], { pipeline: wanted.trim() });
  };
  return html`<h1>Runs</h1>
    <form class="row" onSubmit=${submit} key=${pipeline} role="search" aria-label="Runs">
      <${Field} label="Pipeline"><input name="pipeline" defaultValue=${pipeline} spellcheck="false" autocapitalize="off" /><//>
      <${Field} label="Run"><input name="run" placeholder="run_001" spellcheck="false" autocapitalize="off" /><//>
      <button type="submit" class="main">Find</button>
    </form>
    <${Loaded} from=${state}>${(runs) => runs.length ? html`
      <p class="soft">Those that the newest ${number(LOOKED_AT)} events of pipelines tell of.</p>
      <${Table} label="Runs, newest first" head=${["Run", "Pipeline", "Status", "Last heard"]}>
        ${runs.map((one) => html`<tr key=${one.id}>
          <td><a href=${to(["runs", one.id])}>${one.id}</a></td>
          <td>${one.pipeline && html`<a href=${to(["runs"], { pipeline: one.pipeline })}>${one.pipeline}</a>`}</td>
          <td><${Status} of=${one.status} /></td>
          <td><${Time} at=${one.at} /> <small>${one.type}</small></td>
        </tr>`)}
      <//>` : html`<${NoRun} pipeline=${pipeline} />`}<//>`;
}

function NoRun({ pipeline }) {
  const command = `curl -X POST ${location.origin}/api/v1/events \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"type": "pipeline.started", "pipeline": "${pipeline || "user-analytics"}", "run_id": "run_001", "data": {}}'`;
  return html`<${Empty} title="No run yet" command=${command}>
    A run is what events of the types <code>pipeline.*</code> with the same <code>run_id</code> tell of. Begin one:
  <//>`;
}

function Run({ id }) {
  useTitle(`Run ${id}`);
  const load = (signal) => readPage({ query: { run_id: id }, order: "asc", limit: MOST_EVENTS }, signal);
  const state = useLoad(load, [id], EVERY);
  return html`<p><a href=${to(["runs"])}>All runs</a></p>
    <h1>Run ${id}</h1>
    <${Loaded} from=${state}>${({ events }) => events.length
      ? html`<${Story} run=${runOf(events)} id=${id} /><${Told} events=${events} id=${id} />`
      : html`<${Empty} title="No event has this run">
          Retention may have removed them, or nothing was published with this <code>run_id</code>. <a href=${to(["runs"])}>All runs</a>
        <//>`}<//>`;
}

function Story({ run }) {
  return html`<dl class="details">
      <div><dt>Status</dt><dd><${Status} of=${run.status} /></dd></div>
      ${run.pipeline && html`<div><dt>Pipeline</dt><dd><a href=${to(["runs"], { pipeline: run.pipeline })}>${run.pipeline}</a></dd></div>`}
      <div><dt>Began</dt><dd><${Time} at=${run.began} /></dd></div>
      <div><dt>Took</dt><dd>${run.took === undefined ? html`<span class="soft">still runs</span>` : duration(run.took)}</dd></div>
      ${run.rows !== undefined && html`<div><dt>Rows loaded</dt><dd>${number(run.rows)}</dd></div>`}
      ${run.error && html`<div><dt>Why it failed</dt><dd>${String(run.error)}</dd></div>`}
    </dl>
    <section>
      <h2>Stages</h2>
      ${run.stages.length ? html`<${Stages} run=${run} />` : html`<p class="soft">No stage was told of yet.</p>`}
      ${run.retries.length > 0 && html`<ul>${run.retries.map(({ at, data }) => html`<li>
        Tried again <${Time} at=${at} />${data.stage && `: ${data.stage}`}${data.attempt && `, attempt ${data.attempt}`}
      </li>`)}</ul>`}
    </section>`;
}

/** Each stage as a bar between the begin and the end of the run. */
function Stages({ run }) {
  const ends = run.stages.map(({ began, took }) => began + took);
  const whole = Math.max(1, Math.max(run.ended ?? 0, ...ends) - run.began);
  const place = (moment) => Math.max(0, ((moment - run.began) / whole) * WIDTH);
  return html`<${Table} label="Stages" head=${["Stage", "Took", "Rows", "Time line"]}>
    ${run.stages.map(({ name, began, took, rows }, index) => html`<tr key=${index}>
      <td>${name}</td>
      <td>${duration(took)}</td>
      <td>${number(rows)}</td>
      <td><svg class="stage" viewBox=${`0 0 ${WIDTH} 16`} width=${WIDTH / 2} height="16" role="img" preserveAspectRatio="none"
        aria-label=${`${name}: from ${duration(began - run.began)} on for ${duration(took)}`}>
        <rect class="way" x="0" y="7" width=${WIDTH} height="2" />
        <rect x=${place(began)} y="1" width=${Math.max(3, (took / whole) * WIDTH)} height="14" rx="2" />
      </svg></td>
    </tr>`)}
  <//>`;
}

/** What was published of the run, in the order of the log. */
function Told({ events, id }) {
  return html`<section>
    <h2>Its events</h2>
    <${Table} label="Events of the run" head=${["Time", "Event"]}>
      ${events.map((one) => html`<tr key=${one.sequence}>
        <td><${Time} at=${one.timestamp} /></td>
        <td><a href=${to(["events", one.id])}>${one.type}</a></td>
      </tr>`)}
    <//>
    <p><a href=${to(["events"], { run_id: id })}>Find among them</a></p>
  </section>`;
}
