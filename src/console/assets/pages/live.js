/**
 * Events as they happen. What must hold: however many come, the list, what waits to be drawn and the chart are bounded, and
 * the page is drawn anew a few times a second at most.
 */
import { get, text } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { number, rate, time } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { go, to } from "../lib/router.js";
import { useSession } from "../lib/session.js";
import { follow } from "../lib/stream.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Payload } from "../parts/payload.js";
import { Empty, Field, Loaded, Problem, Table } from "../parts/ui.js";

const MOST_ROWS = 300;
const FIRST_ROWS = 50;
const DRAWN_EVERY_MS = 200;
const SECONDS = 120;

/** Longer payloads are not kept with the list but asked for when they are opened. */
const MOST_KEPT = 16 * 1024;

/** After this long out of sight one wants to know what is now, not all that came meanwhile. */
const LONG_HIDDEN_MS = 60_000;

const STATES = { live: ["good", "●", "live"], waiting: ["busy", "◐", "connecting"], refused: ["bad", "▲", "refused"] };

/** A row of the list: what is seen of an event. */
export function rowOf(data) {
  const { sequence, id, type, pipeline, run_id: run, timestamp } = JSON.parse(data);
  return { sequence, id, type, pipeline, run, timestamp, text: data.length > MOST_KEPT ? null : data };
}

/** How many events came in each of the last seconds. */
export function counter(now) {
  const counts = new Array(SECONDS).fill(0);
  let last = Math.floor(now);
  const advance = (at) => {
    const passed = Math.min(Math.floor(at) - last, SECONDS);
    for (let second = 0; second < passed; second += 1) counts.push(0);
    counts.splice(0, counts.length - SECONDS);
    last = Math.max(last, Math.floor(at));
  };
  return {
    add(amount, at) {
      advance(at);
      counts[SECONDS - 1] += amount;
    },
    /** The seconds that have ended, oldest first. */
    read(at) {
      advance(at);
      const times = counts.map((_, second) => last - SECONDS + 1 + second);
      return { times: times.slice(0, -1), values: counts.slice(0, -1) };
    },
  };
}

const seconds = () => Date.now() / 1000;

/** Follows the stream; draws when it is time to. */
function useLive(query, paused) {
  const session = useSession();
  const [, draw] = useState(0);
  const [epoch, setEpoch] = useState(0);
  const live = useRef(null);
  live.current ??= { rows: [], waiting: [], missed: 0, counts: counter(seconds()), stream: { state: "waiting", error: null }, loaded: false };
  const isPaused = useRef(paused);
  isPaused.current = paused;
  const name = JSON.stringify(query);

  useEffect(() => {
    const state = live.current;
    const abort = new AbortController();
    let end = () => {};
    Object.assign(state, { rows: [], waiting: [], missed: 0, loaded: false, stream: { state: "waiting", error: null } });
    const hear = (messages) => {
      const events = messages.filter(({ event }) => !event.startsWith("stream."));
      state.counts.add(events.length, seconds());
      state.missed += events.length;
      state.waiting.push(...events.slice(-MOST_ROWS));
      if (state.waiting.length > MOST_ROWS) state.waiting.splice(0, state.waiting.length - MOST_ROWS);
    };
    const tell = (stream) => {
      state.stream = stream;
      draw(seconds());
    };
    const lose = () => setEpoch((before) => before + 1);
    const begin = async () => {
      end();
      const asked = get("api/v1/events", { ...query, limit: FIRST_ROWS, order: "desc" }, abort.signal);
      const after = asked.then((newest) => newest.head_cursor);
      end = follow({ query, after, who: session.key.id, hear, tell, lose });
      const newest = await asked;
      state.rows = newest.data.map((event) => ({ ...event, run: event.run_id, text: null }));
      state.loaded = true;
      draw(seconds());
    };
    const again = setInterval(() => state.stream.state === "waiting" && !state.loaded && attempt(), 2000);
    const attempt = () => begin().catch((error) => {
      if (abort.signal.aborted) return;
      tell({ state: error.status >= 400 && error.status < 500 ? "refused" : "waiting", error });
    });
    attempt();
    return () => {
      clearInterval(again);
      abort.abort();
      end();
    };
  }, [name, epoch]);

  useEffect(() => {
    let frame = 0;
    let drawn = 0;
    let second = 0;
    const tick = (at) => {
      frame = requestAnimationFrame(tick);
      const state = live.current;
      const isNextSecond = Math.floor(seconds()) !== second;
      const hasMore = state.waiting.length > 0 && !isPaused.current;
      if (at - drawn < DRAWN_EVERY_MS || !(isNextSecond || hasMore)) return;
      [drawn, second] = [at, Math.floor(seconds())];
      if (hasMore) {
        const rows = state.waiting.map(({ data }) => rowOf(data)).reverse();
        state.rows = [...rows, ...state.rows].slice(0, MOST_ROWS);
        [state.waiting, state.missed] = [[], 0];
      }
      draw(at);
    };
    frame = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(frame);
  }, []);

  useEffect(() => {
    let hidden = 0;
    const changed = () => {
      if (document.visibilityState === "hidden") hidden = Date.now();
      else if (hidden && Date.now() - hidden > LONG_HIDDEN_MS) setEpoch((before) => before + 1);
    };
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);
  return live.current;
}

export function Live({ query }) {
  useTitle("Live");
  const asked = { type: query.type ?? "", pipeline: query.pipeline ?? "", filter: query.filter ?? "" };
  const [paused, setPaused] = useState(false);
  const [chosen, setChosen] = useState(null);
  const live = useLive(asked, paused);
  const { times, values } = live.counts.read(seconds());
  const [tone, mark, word] = STATES[live.stream.state];
  return html`<div class="row spread">
      <h1>Live</h1>
      <div class="row tight">
        <span class="status ${tone}" role="status"><span aria-hidden="true">${mark}</span> ${paused ? `${word}, paused` : word}</span>
        <button type="button" aria-pressed=${paused ? "true" : "false"} onClick=${() => setPaused(!paused)}>
          ${paused ? `Go on (${number(live.missed)} newer)` : "Pause"}
        </button>
      </div>
    </div>
    <${Filters} asked=${asked} />
    <${Problem} error=${live.stream.error} />
    <${Chart} title=${`Events per second: ${rate(values.at(-1))}`} times=${times} series=${[{ name: "Heard", line: "--accent", values }]} />
    ${live.loaded && !live.rows.length && html`<${Nothing} asked=${asked} />`}
    <div class=${chosen ? "beside" : ""}>
      ${chosen && html`<${Chosen} row=${chosen} close=${() => setChosen(null)} key=${chosen.id} />`}
      ${live.rows.length > 0 && html`<${Rows} rows=${live.rows} choose=${setChosen} />`}
    </div>`;
}

function Filters({ asked }) {
  const submit = (event) => {
    event.preventDefault();
    go(["live"], Object.fromEntries(new FormData(event.target)));
  };
  return html`<form class="row" onSubmit=${submit} key=${JSON.stringify(asked)}>
    <${Field} label="Type"><input name="type" defaultValue=${asked.type} placeholder="pipeline.*" spellcheck="false" autocapitalize="off" /><//>
    <${Field} label="Pipeline"><input name="pipeline" defaultValue=${asked.pipeline} spellcheck="false" autocapitalize="off" /><//>
    <${Field} label="Filter (CEL)"><input name="filter" defaultValue=${asked.filter} placeholder="data.rows > 1000" spellcheck="false" autocapitalize="off" /><//>
    <button type="submit">Filter</button>
    <a class="button" href=${to(["live"])}>Clear</a>
  </form>`;
}

function Rows({ rows, choose }) {
  return html`<${Table} label="Events, newest first" head=${["Time", "Type", "Pipeline", "Run"]}>
    ${rows.map((row) => {
      // The same element again is not compared again: only what is new costs.
      row.drawn ??= html`<tr key=${row.sequence}>
        <td class="mono">${time(row.timestamp)}</td>
        <td><button type="button" class="link" onClick=${() => choose(row)}>${row.type}</button></td>
        <td>${row.pipeline}</td>
        <td>${row.run && html`<a href=${to(["runs", row.run])}>${row.run}</a>`}</td>
      </tr>`;
      return row.drawn;
    })}
  <//>`;
}

/** The event that was opened, beside the list that goes on. */
function Chosen({ row, close }) {
  const state = useLoad((signal) => row.text ?? text(`api/v1/events/${row.id}`, {}, signal), [row.id]);
  return html`<aside aria-label="Event ${row.id}">
    <div class="row spread">
      <h2><a href=${to(["events", row.id])}>${row.type}</a></h2>
      <button type="button" class="small" onClick=${close} aria-label="Close">✕</button>
    </div>
    <${Loaded} from=${state}>${(shown) => html`<${Payload} text=${shown} />`}<//>
  </aside>`;
}

function Nothing({ asked }) {
  const set = Object.entries(asked).filter(([, value]) => value);
  const tail = set.length ? `?${new URLSearchParams(set)}` : "";
  const command = `curl -N -H "Authorization: Bearer $CAMPANILE_KEY" '${location.origin}/api/v1/events/stream${tail}'`;
  return html`<${Empty} title=${set.length ? "No event matches yet" : "No event yet"} command=${command}>
    They appear here as they are published. The same in a terminal:
  <//>`;
}
