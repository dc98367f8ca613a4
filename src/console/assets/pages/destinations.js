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
      <${Table} label="Destinations" head=${["Destination", "Status", "Events", "Success", "p95", "Behind", "For"]}>
        ${page.data.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`<${Nothing} />`}<//>`;
}

function Row({ one }) {
  const { data } = useLoad((signal) => get(`api/v1/destinations/${one.id}/stats`, {}, signal), [one.id], EVERY_FIGURES);
  return html`<tr>
    <td class="wide">
      <a href=${to(["destinations", one.id])}>${one.description || one.url}</a>
      ${one.description && html`<br /><small>${one.url}</small>`}
    </td>
    <td><${Status} of=${one.failing_since ? "failing" : one.status} /></td>
    <td>${typesOf(one)}</td>
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
