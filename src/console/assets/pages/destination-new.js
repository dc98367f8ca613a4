/** Making a destination: where, which events, tried out before it is saved. */
import { get, post } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { to } from "../lib/router.js";
import { may } from "../lib/session.js";
import { useAction, useLoad, useTitle } from "../lib/use.js";
import { Secret } from "../parts/act.js";
import { Trial } from "../parts/trial.js";
import { Field, Problem, Status } from "../parts/ui.js";

export const FORMATS = ["envelope", "resource", "run", "audit", "cloudevents"];
const VERIFICATIONS = {
  challenge: "It answers a challenge (recommended)",
  ping: "It answers a ping with any 2xx",
  none: "None: it gets events at once",
};

const FIRST = { url: "", description: "", events: [], more: "", format: "", verification: "challenge", start: "now" };

/** All types that events can have, to pick from; none for a key that may not know them. */
export async function allTypes(signal) {
  if (!may("events:read") && !may("events:publish")) return [];
  return (await get("api/v1/event-types", { limit: 1000 }, signal)).data;
}

/** What is left of a text of types separated by commas or spaces. */
export const split = (text) => text.split(/[\s,]+/).filter(Boolean);

/** What the form says as the API takes it. */
export function bodyOf(draft) {
  const body = { url: draft.url.trim(), verification: draft.verification, start: draft.start };
  const events = [...draft.events, ...split(draft.more)];
  if (events.length) body.events = events;
  if (draft.description.trim()) body.description = draft.description.trim();
  if (draft.format) body.format = draft.format;
  return body;
}

export function NewDestination() {
  useTitle("New destination");
  const [draft, setDraft] = useState(FIRST);
  const [trial, setTrial] = useState(null);
  const [made, setMade] = useState(null);
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const [create, creating, refused] = useAction(async () => setMade(await post("api/v1/destinations", bodyOf(draft))));
  const [test, testing, untested] = useAction(async () => {
    setTrial(null);
    const { url, format, events = [] } = bodyOf(draft);
    const type = events.find((one) => !one.includes("*"));
    setTrial(await post("api/v1/destinations/test", { url, format, type }));
  });
  if (made) return html`<${Made} made=${made} />`;
  const submit = (event) => {
    event.preventDefault();
    create();
  };
  return html`<h1>New destination</h1>
    <form onSubmit=${submit} class="narrow">
      <${Field} label="URL" hint="HTTPS and a public host, unless the broker's configuration allows others.">
        <input type="url" required autofocus placeholder="https://example.com/hooks" value=${draft.url} onInput=${set("url")} />
      <//>
      <${Field} label="Description">
        <input type="text" maxlength="1000" value=${draft.description} onInput=${set("description")} />
      <//>
      <${Types} draft=${draft} setDraft=${setDraft} set=${set} />
      <${Field} label="Format of the bodies">
        <select value=${draft.format} onChange=${set("format")}>
          <option value="">What the event's type says</option>
          ${FORMATS.map((one) => html`<option value=${one}>${one}</option>`)}
        </select>
      <//>
      <${Field} label="How the endpoint agrees" hint="Until it has agreed, events wait.">
        <select value=${draft.verification} onChange=${set("verification")}>
          ${Object.entries(VERIFICATIONS).map(([one, text]) => html`<option value=${one}>${text}</option>`)}
        </select>
      <//>
      <${Field} label="Starts with">
        <select value=${draft.start} onChange=${set("start")}>
          <option value="now">What is published from now on</option>
          <option value="oldest">The oldest event that is kept</option>
        </select>
      <//>
      <${Problem} error=${untested ?? refused} />
      ${trial && html`<${Trial} attempt=${trial} />`}
      <div class="row">
        <button type="submit" class="main" disabled=${creating || !draft.url}>Create</button>
        <button type="button" disabled=${testing || !draft.url} onClick=${test}>${testing ? "Testing…" : "Send a test first"}</button>
        <a class="button" href=${to(["destinations"])}>Cancel</a>
      </div>
    </form>`;
}

/** Types of the catalogs to tick, and a line for all others. Nothing at all is all types. */
function Types({ draft, setDraft, set }) {
  const { data } = useLoad(allTypes, []);
  const [looked, setLooked] = useState("");
  const toggle = (name) => {
    const events = draft.events.includes(name) ? draft.events.filter((one) => one !== name) : [...draft.events, name];
    setDraft({ ...draft, events });
  };
  const shown = (data ?? []).filter(({ name }) => name.includes(looked.trim()));
  return html`<fieldset>
    <legend>Events</legend>
    <p class="soft">${draft.events.length + split(draft.more).length ? `${draft.events.length} ticked.` : "Nothing chosen: all of them."}</p>
    ${data?.length > 0 &&
    html`<${Field} label="Find a type"><input type="search" value=${looked} onInput=${(event) => setLooked(event.target.value)} /><//>
      <div class="picker" tabindex="0" role="group" aria-label="Types">
        ${shown.map(({ name, description }) => html`<label class="check" key=${name} title=${description}>
          <input type="checkbox" checked=${draft.events.includes(name)} onChange=${() => toggle(name)} /> <code>${name}</code>
        </label>`)}
      </div>`}
    <${Field} label="Others" hint="Types or groups such as pipeline.*, separated by commas.">
      <input type="text" spellcheck="false" value=${draft.more} onInput=${set("more")} />
    <//>
  </fieldset>`;
}

function Made({ made }) {
  return html`<h1>Destination created</h1>
    <p><code>${made.url}</code> <${Status} of=${made.status} /></p>
    <${Secret} secret=${made.secret} />
    ${made.status === "pending" && html`<p>The endpoint is asked now whether it agrees. Its page shows what came of it.</p>`}
    <p><a class="button main" href=${to(["destinations", made.id])}>To the destination</a></p>`;
}
