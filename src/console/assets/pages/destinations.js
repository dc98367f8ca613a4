/** All destinations: how each is, and the way to make one. */
import { get } from "../lib/api.js";
import { duration, number, percent } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useLoad, useTitle } from "../lib/use.js";
import { Pager } from "../parts/act.js";
import { Empty, Loaded, Status, Table } from "../parts/ui.js";
import { Destination } from "./destination.js";
import { NewDestination } from "./destination-new.js";

const EVERY = 5000;

/** The figures of a destination are read from its newest 2000 deliveries: not as often as its status. */
const EVERY_FIGURES = 15_000;
const AT_ONCE = 25;
const BARS = 24;

export function Destinations({ rest, query }) {
  if (rest[0] === "new" && may("destinations:write")) return html`<${NewDestination} />`;
  if (rest[0]) return html`<${Destination} id=${rest[0]} view=${rest[1] ?? ""} item=${rest[2]} query=${query} />`;
  return html`<${List} />`;
}

function List() {
  useTitle("Destinations");
  const [cursor, setCursor] = useState("");
  const state = useLoad((signal) => get("api/v1/destinations", { limit: AT_ONCE, cursor }, signal), [cursor], EVERY);
  return html`<div class="row spread">
      <h1>Destinations</h1>
      ${may("destinations:write") && html`<a class="button main" href=${to(["destinations", "new"])}>New destination</a>`}
    </div>
    <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
      <${Table} label="Destinations" head=${["Destination", "Status", "Events", "Newest", "Success", "p95", "Behind", "For"]}>
        ${page.data.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`<${Nothing} />`}<//>`;
}

/** The figures of a destination and its newest deliveries. */
async function look(id, signal) {
  const path = `api/v1/destinations/${id}`;
  const [stats, newest] = await Promise.all([
    get(`${path}/stats`, {}, signal),
    get(`${path}/deliveries`, { limit: BARS }, signal),
  ]);
  return { ...stats, newest: newest.data.toReversed() };
}

/** How high a bar is, of 20: what failed stands out. A delivery that is not named here is out of the running. */
const HEIGHTS = { delivered: [8, "good"], pending: [3, "busy"], retrying: [14, "busy"], dead: [20, "bad"] };

/** The newest deliveries, a bar each, the newest to the right. */
function Health({ newest }) {
  if (!newest.length) return html`<span class="soft">–</span>`;
  const delivered = newest.filter(({ status }) => status === "delivered").length;
  const label = `${delivered} of the newest ${newest.length} delivered`;
  return html`<svg class="health" role="img" aria-label=${label} viewBox=${`0 0 ${BARS * 4} 20`} width=${BARS * 4} height="20">
    <title>${label}</title>
    ${newest.map(({ status }, at) => {
      const [height, tone] = HEIGHTS[status] ?? [3, "off"];
      return html`<rect class=${tone} x=${4 * (at + BARS - newest.length)} y=${20 - height} width="3" height=${height} />`;
    })}
  </svg>`;
}

function Row({ one }) {
  const { data } = useLoad((signal) => look(one.id, signal), [one.id], EVERY_FIGURES);
  return html`<tr>
    <td class="wide">
      <a href=${to(["destinations", one.id])}>${one.description || one.url}</a>
      ${one.description && html`<br /><small>${one.url}</small>`}
    </td>
    <td><${Status} of=${one.failing_since ? "failing" : one.status} /></td>
    <td>${typesOf(one)}</td>
    <td>${data ? html`<${Health} newest=${data.newest} />` : "…"}</td>
    <td>${data ? percent(data.success_rate) : "…"}</td>
    <td>${data ? duration(data.latency_ms?.p95) : "…"}</td>
    <td>${number(one.lag.events)}</td>
    <td>${duration(one.lag.seconds * 1000)}</td>
  </tr>`;
}

/** The types that a destination hears, in a few words. */
export function typesOf({ events }) {
  if (!events.length || events.includes("*")) return "all";
  return events.length > 2 ? `${events.slice(0, 2).join(", ")} and ${events.length - 2} more` : events.join(", ");
}

function Nothing() {
  const command = `curl -X POST ${location.origin}/api/v1/destinations \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"url": "https://example.com/hooks", "events": ["pipeline.*"]}'`;
  return html`<${Empty} title="No destination yet" command=${command}>
    A destination is a URL that events are sent to, signed.
    ${may("destinations:write") ? html` <a href=${to(["destinations", "new"])}>Make one here</a>, or:` : " A key with the scope destinations:write makes one:"}
  <//>`;
}
