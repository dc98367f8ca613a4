/** One destination: what it is set to, how it is, what can be done with it. Its deliveries and replays are views of it. */
import { get, post, remove } from "../lib/api.js";
import { duration, number, percent } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { go, to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Act, Secret, Tabs } from "../parts/act.js";
import { Trial } from "../parts/trial.js";
import { Dialog, Figure, Loaded, Problem, Status, Time } from "../parts/ui.js";
import { Deliveries, Delivery } from "./deliveries.js";
import { EditDestination } from "./destination-edit.js";
import { typesOf } from "./destinations.js";
import { Replays } from "./replays.js";

const EVERY = 3000;
const EVERY_FIGURES = 15_000;

const REASONS = {
  user: "Switched off by a person.",
  failures: "Switched off because every attempt failed for too long.",
  gone: "Switched off because the endpoint answered 410: it is gone.",
};

export function Destination({ id, view, item, query }) {
  const state = useLoad((signal) => get(`api/v1/destinations/${encodeURIComponent(id)}`, {}, signal), [id], EVERY);
  useTitle(state.data?.description || state.data?.url || "Destination");
  const tab = (title, name) => ({ title, href: to(["destinations", id, ...(name ? [name] : [])]), here: view === name });
  return html`<p><a href=${to(["destinations"])}>All destinations</a></p>
    <${Loaded} from=${state}>${(one) => html`
      <h1>${one.description || one.url} <${Status} of=${one.failing_since ? "failing" : one.status} /></h1>
      <${Tabs} label="Of this destination"
        tabs=${[tab("Details", ""), tab("Deliveries", "deliveries"), tab("Dead letters", "dead"), tab("Replays", "replays")]} />
      ${view === "" && html`<${Details} one=${one} reload=${state.reload} />`}
      ${view === "deliveries" && !item && html`<${Deliveries} id=${id} query=${query} />`}
      ${view === "deliveries" && item && html`<${Delivery} id=${item} />`}
      ${view === "dead" && html`<${Deliveries} id=${id} query=${query} only="dead" />`}
      ${view === "replays" && html`<${Replays} id=${id} />`}
      ${view === "edit" && may("destinations:write") && html`<${EditDestination} key=${id} one=${one} reload=${state.reload} />`}
    `}<//>`;
}

function Details({ one, reload }) {
  return html`<${Trouble} one=${one} />
    <${Figures} one=${one} />
    ${may("destinations:write") && html`<${Actions} one=${one} reload=${reload} />`}
    <${Settings} one=${one} />`;
}

function Trouble({ one }) {
  const { deactivation } = one;
  return html`${one.failing_since &&
    html`<div class="problem">Every attempt has failed since <${Time} at=${one.failing_since} />. The deliveries say why.</div>`}
    ${deactivation && html`<div class="problem">
      ${REASONS[deactivation.reason] ?? "Switched off."}
      ${deactivation.reason !== "user" && ` ${deactivation.detail}`} <${Time} at=${deactivation.at} />.
      Events published since then wait for it.
    </div>`}
    ${one.status === "pending" && html`<div class="problem">
      The endpoint has not agreed yet, and events wait.
      ${one.verification === "challenge"
        ? html` It is sent an event of the type <code>event_destination.verification</code> and has to answer 2xx
            with <code>data.challenge</code> in the body.`
        : " It has to answer a request with any 2xx."}
    </div>`}`;
}

function Figures({ one }) {
  const { data, error } = useLoad((signal) => get(`api/v1/destinations/${one.id}/stats`, {}, signal), [one.id], EVERY_FIGURES);
  if (!data) return html`<${Problem} error=${error} />`;
  const { counts, latency_ms: latency } = data;
  return html`<section aria-label="Figures">
    <dl class="figures">
      <${Figure} name="Attempts that succeeded" value=${percent(data.success_rate)} note=${`of ${number(data.attempts)}`} />
      <${Figure} name="Latency, p95" value=${duration(latency?.p95)} note=${latency ? `p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}` : ""} />
      <${Figure} name="Behind" value=${`${number(one.lag.events)} events`} note=${duration(one.lag.seconds * 1000)} />
      <${Figure} name="Delivered" value=${number(counts.delivered)} />
      <${Figure} name="Waiting" value=${number(counts.pending + counts.retrying)} note=${`${number(counts.retrying)} to be tried again`} />
      <${Figure} name="Dead" value=${number(counts.dead)} tone=${counts.dead ? "bad" : ""} />
    </dl>
    <p class="soft">Of the newest ${number(data.deliveries)} deliveries.</p>
  </section>`;
}

/** What one may do with it. Those that stand in the config are changed there. */
function Actions({ one, reload }) {
  const [trial, setTrial] = useState(null);
  const [secret, setSecret] = useState(null);
  const path = `api/v1/destinations/${one.id}`;
  const does = (call) => async () => {
    await call();
    await reload();
  };
  const test = async () => setTrial(await post(`${path}/test`, {}));
  const verify = does(async () => setTrial((await post(`${path}/verify`)).attempt));
  const rotate = does(async () => setSecret(await post(`${path}/rotate-secret`, {})));
  return html`<section aria-label="Actions">
    <div class="row">
      <${Act} label="Send a test" run=${test} />
      ${one.verification !== "none" && one.status !== "deactivated" && html`<${Act} label="Verify" run=${verify} />`}
      ${!one.declared && html`<${Changes} one=${one} path=${path} does=${does} rotate=${rotate} />`}
    </div>
    ${one.declared && html`<p class="soft">It stands in the broker's configuration, and is changed there.</p>`}
    ${trial && html`<${Trial} attempt=${trial} />`}
    ${secret && html`<${Dialog} title="The new secret" onClose=${() => setSecret(null)}>
      <${Secret} secret=${secret.secret} />
      <p>${secret.overlap_until ? html`The earlier one signs as well until <${Time} at=${secret.overlap_until} />.` : "The earlier one does not sign any more."}</p>
    <//>`}
  </section>`;
}

function Changes({ one, path, does, rotate }) {
  const deleted = async () => {
    await remove(path);
    go(["destinations"]);
  };
  const activate = (backlog) => does(() => post(`${path}/activate`, { backlog }));
  return html`
    <a class="button" href=${to(["destinations", one.id, "edit"])}>Change</a>
    ${one.status === "deactivated"
      ? html`<${Act} label="Activate" kind="main" run=${activate("send")} />
          <${Act} label="Activate, without what waits" run=${activate("skip")}
            ask="Events that were published while it was off will not be sent to it. A replay can send them later." />`
      : html`<${Act} label="Deactivate" run=${does(() => post(`${path}/deactivate`))}
          ask="Nothing is sent any more until it is activated. It keeps its place: no event is lost." />`}
    <${Act} label="Rotate the secret" run=${rotate}
      ask="A new secret is made and shown once. Both sign for a day, so that the endpoint can change over." />
    <${Act} label="Delete" kind="danger" run=${deleted}
      ask="The destination and the list of its deliveries go for good. The events stay." />`;
}

function Settings({ one }) {
  const retry = one.retry.enabled ? `after ${one.retry.schedule_s.map((seconds) => duration(seconds * 1000)).join(", ")}` : "never: one attempt";
  const headers = Object.entries(one.headers).map(([name, value]) => `${name}: ${value}`).join("\n");
  const rows = [
    ["URL", html`<code>${one.url}</code>`],
    ["Id", html`<code>${one.id}</code>`],
    ["Events", one.events.length > 2 ? one.events.join(", ") : typesOf(one)],
    ["Filter", one.filter ? html`<code>${one.filter}</code>` : "none"],
    ["Format", one.format],
    ["How the endpoint agrees", one.verification],
    ["Order", one.ordering === "none" ? "none is kept" : one.ordering],
    ["Tried again", retry],
    ["Time for an answer", duration(one.timeout_ms)],
    ["At once", `${one.max_in_flight} requests${one.rate_limit_per_s ? `, ${one.rate_limit_per_s} a second` : ""}`],
    ["Further headers", headers ? html`<pre tabindex="0">${headers}</pre>` : "none"],
    ["Created", html`<${Time} at=${one.created_at} />`],
    ["Changed", html`<${Time} at=${one.updated_at} />`],
  ];
  return html`<section>
    <h2>Settings</h2>
    <dl class="details">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;
}
