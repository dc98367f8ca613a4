/** How the broker is: rates, who is behind or failing, the log, the program. */
import { get, text } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { ago, bytes, duration, number, rate } from "../lib/format.js";
import { html, useEffect, useState } from "../lib/html.js";
import { parse, sum } from "../lib/metrics.js";
import { to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Empty, Figure, Loaded, Problem, Status, Table } from "../parts/ui.js";

const EVERY = 2000;

/** Points of the chart: five minutes. Kept while one looks at other pages. */
const MOST_POINTS = 150;
const history = { times: [], head: [], delivered: [], failed: [] };

/** How many attempts ended in one of these ways; undefined when the key may not see metrics. */
function attempts(metrics, outcomes) {
  if (!metrics) return undefined;
  return sum(metrics, "campanile_delivery_attempts_total", ({ outcome }) => outcomes.includes(outcome)) ?? 0;
}

/** One look at everything that the key may see. */
async function look(signal) {
  const [newest, metrics] = await Promise.all([
    may("events:read") ? get("api/v1/events", { limit: 1, order: "desc" }, signal) : null,
    may("operator") ? text("metrics", {}, signal).then(parse) : null,
  ]);
  return { at: Date.now() / 1000, newest, metrics };
}

/** Adds a look to what was seen before. */
function remember({ at, newest, metrics }) {
  if (!newest || at === history.times.at(-1)) return;
  history.times.push(at);
  history.head.push(Number(newest.head_cursor));
  history.delivered.push(attempts(metrics, ["delivered"]));
  history.failed.push(attempts(metrics, ["retry", "dead"]));
  for (const column of Object.values(history)) column.splice(0, column.length - MOST_POINTS);
}

/** What a count grew by in a second, point by point. A count that is unknown or went back has no rate. */
export function rates(times, counts) {
  return counts.map((count, at) => {
    const grown = (count - counts[at - 1]) / (times[at] - times[at - 1]);
    return grown >= 0 ? grown : null;
  });
}

export function Overview() {
  useTitle("Overview");
  const state = useLoad(look, [], EVERY);
  const [, drawn] = useState(0);
  useEffect(() => {
    if (!state.data) return;
    remember(state.data);
    drawn(state.data.at);
  }, [state.data]);
  return html`<h1>Overview</h1>
    <${Loaded} from=${state}>${(data) => html`
      ${data.newest && html`<${Rates} data=${data} />`}
      ${may("destinations:read") && html`<${Destinations} />`}
      ${data.metrics && html`<${Broker} metrics=${data.metrics} />`}
    `}<//>`;
}

function Rates({ data }) {
  const published = rates(history.times, history.head);
  const delivered = rates(history.times, history.delivered);
  const failed = rates(history.times, history.failed);
  const series = [{ name: "Published", line: "--accent", values: published }];
  const knowsDelivered = history.delivered.at(-1) !== undefined;
  if (knowsDelivered) {
    series.push({ name: "Delivered", line: "--good", values: delivered }, { name: "Failed attempts", line: "--bad", values: failed });
  }
  const last = data.newest.data[0];
  if (!last) return html`<${Nothing} />`;
  return html`<section aria-label="Rates">
    <dl class="figures">
      <${Figure} name="Published per second" value=${rate(published.at(-1))} />
      ${knowsDelivered && html`<${Figure} name="Delivered per second" value=${rate(delivered.at(-1))} />
        <${Figure} name="Failed per second" value=${rate(failed.at(-1))} tone=${failed.at(-1) ? "bad" : ""} />`}
      <${Figure} name="Newest event" value=${html`<a href=${to(["events", last.id])}>${last.type}</a>`} note=${ago(last.timestamp)} />
    </dl>
    <${Chart} title="Events per second" times=${history.times} series=${series} />
  </section>`;
}

function Nothing() {
  const command = `curl -X POST ${location.origin}/api/v1/events \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"type": "pipeline.completed", "pipeline": "user-analytics", "data": {"rows": 892}}'`;
  return html`<${Empty} title="No event yet" command=${command}>Publish one, with a key
    that has the scope <code>events:publish</code>:<//>`;
}

/** Those in trouble first, then those furthest behind. */
export function worstFirst(destinations) {
  const trouble = (one) => (one.failing_since ? 2 : 0) + (one.status === "deactivated" ? 1 : 0);
  return [...destinations].sort((a, b) => trouble(b) - trouble(a) || b.lag.events - a.lag.events);
}

function Destinations() {
  const state = useLoad((signal) => get("api/v1/destinations", { limit: 200 }, signal), [], 2 * EVERY);
  return html`<section>
    <h2>Destinations</h2>
    <${Loaded} from=${state}>${({ data }) => {
      if (!data.length) return html`<p class="soft">None yet. Events are kept, and heard by nobody but streams and polls.</p>`;
      const worst = worstFirst(data);
      const failing = data.filter((one) => one.failing_since).length;
      return html`<dl class="figures">
          <${Figure} name="Destinations" value=${data.length} />
          <${Figure} name="Failing" value=${failing} tone=${failing ? "bad" : ""} />
          <${Figure} name="Worst lag" value=${`${number(Math.max(...data.map((one) => one.lag.events)))} events`}
            note=${duration(1000 * Math.max(...data.map((one) => one.lag.seconds)))} />
        </dl>
        <${Table} label="The destinations furthest behind" head=${["Destination", "Status", "Behind", "For"]}>
          ${worst.slice(0, 5).map((one) => html`<tr>
            <td><a href=${to(["destinations", one.id])}>${one.description || one.url}</a></td>
            <td><${Status} of=${one.failing_since ? "failing" : one.status} /></td>
            <td>${number(one.lag.events)}</td>
            <td>${duration(one.lag.seconds * 1000)}</td>
          </tr>`)}
        <//>`;
    }}<//>
  </section>`;
}

function Broker({ metrics }) {
  const value = (name) => sum(metrics, `campanile_${name}`);
  const build = metrics.get("campanile_build_info")?.[0]?.labels ?? {};
  const started = sum(metrics, "process_start_time_seconds");
  const died = (value("destination_restarts_total") ?? 0) + (value("stream_deaths_total") ?? 0);
  const [most, oldest] = [value("log_retention_bytes"), value("log_retention_seconds")];
  return html`<section>
    <h2>Broker</h2>
    ${value("log_writable") === 0 && html`<${Problem} error=${{ message: "The log takes no commits." }} />`}
    <dl class="figures">
      <${Figure} name="Version" value=${build.version ?? "–"} />
      <${Figure} name="Up for" value=${started ? duration(Date.now() - started * 1000) : "–"} />
      <${Figure} name="Events kept" value=${number(value("log_events"))} note=${oldest ? `for ${duration(oldest * 1000)}` : ""} />
      <${Figure} name="Log on disk" value=${bytes(value("log_bytes"))} note=${most ? `of ${bytes(most)}` : ""} />
      <${Figure} name="Disk free" value=${bytes(value("log_free_bytes"))} />
      <${Figure} name="Open streams" value=${number(value("streams"))} />
      <${Figure} name="Actors that died" value=${number(died)} tone=${died ? "bad" : ""} />
      <${Figure} name="Corrupt rows met" value=${number(value("log_corrupt_rows_total"))} tone=${value("log_corrupt_rows_total") ? "bad" : ""} />
    </dl>
  </section>`;
}
