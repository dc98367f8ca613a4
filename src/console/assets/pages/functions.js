/** Functions: which there are, in which apps, what they hear. Their runs are a view of their own. */
import { get, post, remove } from "../lib/api.js";
import { duration } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useAction, useLoad, useTitle } from "../lib/use.js";
import { Act, Pager, Secret, Tabs } from "../parts/act.js";
import { Dialog, Empty, Field, Loaded, Problem, Table, Time } from "../parts/ui.js";
import { Invocation, Invocations } from "./invocations.js";
import { Subscriptions } from "./subscriptions.js";

const VIEWS = [["Functions", ""], ["Subscriptions", "subscriptions"], ["Invocations", "invocations"], ["Apps", "apps"]];

export function Functions({ rest, query }) {
  useTitle("Functions");
  const [view = "", item] = rest;
  const tabs = VIEWS.map(([title, name]) => ({ title, href: to(["functions", ...(name ? [name] : [])]), here: view === name }));
  return html`<h1>Functions</h1>
    <${Tabs} label="Of functions" tabs=${tabs} />
    ${view === "" && html`<${List} />`}
    ${view === "subscriptions" && html`<${Subscriptions} query=${query} />`}
    ${view === "invocations" && (item ? html`<${Invocation} id=${item} />` : html`<${Invocations} query=${query} />`)}
    ${view === "apps" && html`<${Apps} />`}`;
}

function List() {
  const [cursor, setCursor] = useState("");
  const [making, setMaking] = useState(false);
  const state = useLoad((signal) => get("api/v1/functions", { limit: 50, cursor }, signal), [cursor]);
  return html`${may("functions:write") && html`<div class="row">
      <button type="button" class="main" onClick=${() => setMaking(true)}>New function</button>
    </div>`}
    ${making && html`<${NewFunction} onClose=${() => setMaking(false)} made=${state.reload} />`}
    <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
      <${Table} label="Functions" head=${["Function", "App", "Where", "Time for an answer", "Made", ""]}>
        ${page.data.map((one) => html`<${Row} key=${one.id} one=${one} reload=${state.reload} />`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`<${Nothing} />`}<//>`;
}

function Row({ one, reload }) {
  const removed = async () => {
    await remove(`api/v1/functions/${one.id}`);
    await reload();
  };
  return html`<tr>
    <td>${one.name}<br /><small class="mono">${one.id}, ${one.slug}</small></td>
    <td>${one.app?.name ?? "–"}</td>
    <td class="wide">${one.kind === "http" ? html`<code>${one.url}</code>` : "in the program that embeds the broker"}</td>
    <td>${duration(one.timeout_ms)}</td>
    <td><${Time} at=${one.created_at} /></td>
    <td>
      <a class="button" href=${to(["functions", "invocations"], { function_id: one.id })} aria-label=${`Invocations of ${one.name}`}>Invocations</a>${" "}
      ${may("functions:write") && one.kind === "http" && html`<${Act} label="Delete" kind="danger" run=${removed}
        ask=${`${one.name} and its subscriptions go for good.`} />`}
    </td>
  </tr>`;
}

function Nothing() {
  const command = `curl -X POST ${location.origin}/api/v1/functions \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" \\
  -d '{"name": "Validate user", "url": "https://example.com/functions/validate"}'`;
  return html`<${Empty} title="No function yet" command=${command}>
    A function is asked before an event happens (PRE) and can refuse it, or runs after one (POST). A key
    with the scope <code>functions:write</code> makes one:
  <//>`;
}

function NewFunction({ onClose, made }) {
  const [draft, setDraft] = useState({ name: "", url: "", app: "" });
  const [done, setDone] = useState(null);
  const apps = useLoad((signal) => get("api/v1/apps", { limit: 200 }, signal), []);
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const [create, busy, error] = useAction(async () => {
    const { name, url, app } = draft;
    setDone(await post("api/v1/functions", app ? { name, url, app } : { name, url }));
    await made();
  });
  const submit = (event) => {
    event.preventDefault();
    create();
  };
  if (done) {
    return html`<${Dialog} title=${`${done.name} is function ${done.id}`} onClose=${onClose}>
      <${Secret} secret=${done.secret} />
      <a class="button main" href=${to(["functions", "subscriptions"])}>Subscribe it to an event</a>
    <//>`;
  }
  return html`<${Dialog} title="New function" onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} label="Name"><input type="text" required maxlength="100" value=${draft.name} onInput=${set("name")} /><//>
      <${Field} label="URL"><input type="url" required value=${draft.url} onInput=${set("url")} /><//>
      <${Field} label="App">
        <select value=${draft.app} onChange=${set("app")}>
          <option value="">The default</option>
          ${apps.data?.data.map(({ slug, name }) => html`<option value=${slug}>${name}</option>`)}
        </select>
      <//>
      <${Problem} error=${error} />
      <button type="submit" class="main" disabled=${busy}>Create</button>
    </form>
  <//>`;
}

function Apps() {
  const [cursor, setCursor] = useState("");
  const [name, setName] = useState("");
  const state = useLoad((signal) => get("api/v1/apps", { limit: 50, cursor }, signal), [cursor]);
  const [create, busy, error] = useAction(async () => {
    await post("api/v1/apps", { name });
    setName("");
    await state.reload();
  });
  const submit = (event) => {
    event.preventDefault();
    create();
  };
  const command = `curl -X POST ${location.origin}/api/v1/apps \\
  -H "Authorization: Bearer $CAMPANILE_KEY" -H "Content-Type: application/json" -d '{"name": "CRM"}'`;
  return html`${may("functions:write") && html`<form class="row" onSubmit=${submit}>
      <${Field} label="New app"><input type="text" required maxlength="100" value=${name} onInput=${(event) => setName(event.target.value)} /><//>
      <button type="submit" class="main" disabled=${busy}>Create</button>
    </form><${Problem} error=${error} />`}
    <${Loaded} from=${state}>${(page) => page.data.length || cursor ? html`
      <${Table} label="Apps" head=${["App", "Slug", "Made", ""]}>
        ${page.data.map((one) => html`<${App} key=${one.slug} one=${one} reload=${state.reload} />`)}
      <//>
      <${Pager} page=${page} cursor=${cursor} setCursor=${setCursor} />` : html`
      <${Empty} title="No app yet" command=${command}>An app holds functions together:<//>`}<//>`;
}

function App({ one, reload }) {
  const removed = async () => {
    await remove(`api/v1/apps/${one.slug}`);
    await reload();
  };
  return html`<tr>
    <td>${one.name}</td>
    <td><code>${one.slug}</code></td>
    <td><${Time} at=${one.created_at} /></td>
    <td>${may("functions:write") && html`<${Act} label="Delete" kind="danger" run=${removed}
      ask=${`${one.name} goes for good. It must not have functions any more.`} />`}</td>
  </tr>`;
}
