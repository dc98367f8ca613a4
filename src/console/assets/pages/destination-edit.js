/** Changing what a destination is set to: only what was changed is sent, so that nobody's change is undone by another's. */
import { patch } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { go, to } from "../lib/router.js";
import { useAction } from "../lib/use.js";
import { Field, Problem } from "../parts/ui.js";
import { FORMATS, split } from "./destination-new.js";

const ORDERS = {
  none: "None: many at once",
  strict: "One after the other, as in the log",
  pipeline: "In order within each pipeline",
  run_id: "In order within each run",
};

const headersOf = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");

/** What a destination is set to, as the form shows it. */
export function draftOf(one) {
  return {
    url: one.url,
    description: one.description ?? "",
    events: one.events.join(", "),
    filter: one.filter ?? "",
    format: one.format ?? "",
    ordering: one.ordering,
    retries: one.retry.enabled ? one.retry.schedule_s.join(", ") : "",
    timeout: String(one.timeout_ms / 1000),
    window: String(one.max_in_flight),
    rate: String(one.rate_limit_per_s ?? ""),
    headers: headersOf(one.headers),
  };
}

/** A whole number as the API takes it. What is none is sent as it is, and the broker says what is wrong with it. */
const whole = (text) => (/^\d+$/.test(text) ? Number(text) : text);

function headersFrom(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [line, ""] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  }));
}

const MEMBERS = {
  url: ({ url }) => ({ url: url.trim() }),
  description: ({ description }) => ({ description: description.trim() || null }),
  events: ({ events }) => ({ events: split(events).length ? split(events) : ["*"] }),
  filter: ({ filter }) => ({ filter: filter.trim() || null }),
  format: ({ format }) => ({ format: format || null }),
  ordering: ({ ordering }) => ({ ordering }),
  retries: ({ retries }) => {
    const schedule = split(retries).map(whole);
    return { retry: schedule.length ? { enabled: true, schedule_s: schedule } : { enabled: false } };
  },
  timeout: ({ timeout }) => ({ timeout_ms: Math.round(Number(timeout) * 1000) }),
  window: ({ window }) => ({ max_in_flight: whole(window) }),
  rate: ({ rate }) => ({ rate_limit_per_s: rate.trim() ? whole(rate.trim()) : null }),
  headers: ({ headers }) => ({ headers: headersFrom(headers) }),
};

/** The change as the API takes it: the members whose inputs say something else than before. */
export function changeOf(before, draft) {
  const changed = Object.keys(MEMBERS).filter((name) => draft[name] !== before[name]);
  return Object.assign({}, ...changed.map((name) => MEMBERS[name](draft)));
}

export function EditDestination({ one, reload }) {
  // As it was when one began to write; what others change meanwhile stays, unless it is changed here too.
  const [before] = useState(() => draftOf(one));
  const [draft, setDraft] = useState(before);
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const change = changeOf(before, draft);
  const [save, saving, refused] = useAction(async () => {
    await patch(`api/v1/destinations/${one.id}`, change);
    await reload();
    go(["destinations", one.id]);
  });
  const submit = (event) => {
    event.preventDefault();
    save();
  };
  const text = (label, name, hint, more = {}) => html`<${Field} label=${label} hint=${hint}>
    <input type="text" spellcheck="false" autocapitalize="off" value=${draft[name]} onInput=${set(name)} ...${more} />
  <//>`;
  const pick = (label, name, options, hint) => html`<${Field} label=${label} hint=${hint}>
    <select value=${draft[name]} onChange=${set(name)}>
      ${options.map(([value, shown]) => html`<option value=${value}>${shown}</option>`)}
    </select>
  <//>`;
  return html`<form onSubmit=${submit} class="narrow" aria-label="Settings">
    ${text("URL", "url", "Another URL has to agree anew; events wait meanwhile.", { type: "url", required: true })}
    ${text("Description", "description", "", { maxlength: "1000" })}
    ${text("Events", "events", "Types or groups such as pipeline.*, separated by commas. Nothing: all of them.")}
    ${text("Filter (CEL)", "filter", "Only events it holds for, for example data.rows_loaded > 1000.")}
    ${pick("Format of the bodies", "format", [["", "What the event's type says"], ...FORMATS.map((format) => [format, format])])}
    ${pick("Order", "ordering", Object.entries(ORDERS))}
    ${text("Tried again after", "retries", "Seconds between attempts, separated by commas. Nothing: one attempt only.")}
    ${text("Time for an answer, in seconds", "timeout", "", { inputmode: "decimal" })}
    ${text("Requests at once", "window", "", { inputmode: "numeric" })}
    ${text("Requests a second", "rate", "Nothing: no limit.", { inputmode: "numeric" })}
    <${Field} label="Further headers" hint="Name: value, one a line.">
      <textarea rows="3" spellcheck="false" value=${draft.headers} onInput=${set("headers")}></textarea>
    <//>
    <${Problem} error=${refused} />
    <div class="row">
      <button type="submit" class="main" disabled=${saving || !Object.keys(change).length}>Save</button>
      <a class="button" href=${to(["destinations", one.id])}>Cancel</a>
    </div>
  </form>`;
}
