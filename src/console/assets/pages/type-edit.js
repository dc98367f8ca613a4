/** Defining a type of one's own, or changing one: what it means, how it is published, what its data must be. */
import { put } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { go, to } from "../lib/router.js";
import { useAction, useTitle } from "../lib/use.js";
import { Field, Problem } from "../parts/ui.js";
import { FORMATS } from "./destination-new.js";

const MODES = {
  notify: "notify: told after the fact",
  pre: "pre: functions are asked first",
  post: "post: functions run after the fact",
};

const FIRST = { name: "", description: "", mode: "notify", format: null, schema: null, sample: null, deprecated: false };

const written = (value) => (value ? JSON.stringify(value, null, 2) : "");

/** What a text says as JSON; nothing is `null`. A mistake is told like one that the broker finds. */
function read(text, what) {
  if (!text.trim()) return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is not JSON: ${error.message}`);
  }
}

/** `known` is the type as it is; without one a new type is defined. */
export function EditType({ known }) {
  useTitle(known ? `Change ${known.name}` : "New event type");
  const [draft, setDraft] = useState(() => {
    const { name, description, mode, format, schema, sample, deprecated } = known ?? FIRST;
    return { name, description, mode, format: format ?? "", schema: written(schema), sample: written(sample), deprecated };
  });
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  const [save, saving, refused] = useAction(async () => {
    const { name, description, mode, format, deprecated } = draft;
    const [schema, sample] = [read(draft.schema, "The schema"), read(draft.sample, "The sample")];
    await put(`api/v1/event-types/${encodeURIComponent(name.trim())}`, { description, mode, format: format || null, schema, sample, deprecated });
    go(["types", name.trim()]);
  });
  const submit = (event) => {
    event.preventDefault();
    save();
  };
  const json = (label, name, hint, placeholder) => html`<${Field} label=${label} hint=${hint}>
    <textarea rows="6" spellcheck="false" placeholder=${placeholder} value=${draft[name]} onInput=${set(name)}></textarea>
  <//>`;
  return html`<h1>${known ? `Change ${known.name}` : "New event type"}</h1>
    <form onSubmit=${submit} class="narrow" aria-label="Event type">
      <${Field} label="Name"><input type="text" required readonly=${Boolean(known)} placeholder="order.paid" spellcheck="false"
        autocapitalize="off" value=${draft.name} onInput=${set("name")} /><//>
      <${Field} label="Meaning"><input type="text" maxlength="1000" value=${draft.description} onInput=${set("description")} /><//>
      <${Field} label="Mode">
        <select value=${draft.mode} onChange=${set("mode")}>
          ${Object.entries(MODES).map(([mode, text]) => html`<option value=${mode}>${text}</option>`)}
        </select>
      <//>
      <${Field} label="Format of webhooks" hint="Unless a destination says otherwise.">
        <select value=${draft.format} onChange=${set("format")}>
          <option value="">envelope, as usual</option>
          ${FORMATS.map((format) => html`<option value=${format}>${format}</option>`)}
        </select>
      <//>
      ${json("Schema of the data", "schema", "A JSON Schema (2020-12). Nothing: any JSON object will do.", '{"type": "object", "required": ["amount"]}')}
      ${json("Sample of the data", "sample", "It has to satisfy the schema.", '{"amount": 5}')}
      <label class="check"><input type="checkbox" checked=${draft.deprecated}
        onChange=${() => setDraft({ ...draft, deprecated: !draft.deprecated })} /> It should not be used any more</label>
      <${Problem} error=${refused} />
      <div class="row">
        <button type="submit" class="main" disabled=${saving || !draft.name.trim()}>Save</button>
        <a class="button" href=${known ? to(["types", known.name]) : to(["types"])}>Cancel</a>
      </div>
    </form>`;
}
