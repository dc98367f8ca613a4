/** What one does on a page: buttons that change something, with a question first where it cannot be undone; looking, leafing. */
import { html, useEffect, useState } from "../lib/html.js";
import { useAction } from "../lib/use.js";
import { Copy, Dialog, Field, Problem } from "./ui.js";

/** A button that runs `run`. With `ask` it asks that first, in front of the page. */
export function Act({ label, run, ask, kind = "" }) {
  const [asking, setAsking] = useState(false);
  const [act, busy, error] = useAction(async () => {
    await run();
    setAsking(false);
  });
  if (!ask) {
    return html`<button type="button" class=${kind} disabled=${busy} onClick=${act}>${label}</button><${Problem} error=${error} />`;
  }
  return html`<button type="button" class=${kind} onClick=${() => setAsking(true)}>${label}</button>
    ${asking &&
    html`<${Dialog} title=${label} onClose=${() => setAsking(false)}>
      <p>${ask}</p>
      <${Problem} error=${error} />
      <div class="row">
        <button type="button" class=${kind || "main"} disabled=${busy} onClick=${act}>${label}</button>
        <button type="button" onClick=${() => setAsking(false)}>Cancel</button>
      </div>
    <//>`}`;
}

/** A secret that the broker shows this once. */
export function Secret({ secret }) {
  if (!secret) return html`<p>It has no secret: what is sent is not signed.</p>`;
  return html`<div class="secret">
    <p><strong>The secret. It is shown this once:</strong> keep it where the endpoint checks signatures.</p>
    <div class="command"><pre tabindex="0">${secret}</pre><${Copy} text=${secret} /></div>
  </div>`;
}

/** A text to look for, taken when it is done: what is half written stays while the page is drawn again. */
export function Search({ label, hint, value = "", onSearch }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return html`<${Field} label=${label} hint=${hint}>
    <input type="search" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)}
      onChange=${() => onSearch(text.trim())} />
  <//>`;
}

/** Links to further views of a page; the current one is told by `aria-current`. */
export function Tabs({ label, tabs }) {
  return html`<nav class="tabs" aria-label=${label}>
    ${tabs.map(({ title, href, here }) => html`<a href=${href} aria-current=${here ? "page" : undefined}>${title}</a>`)}
  </nav>`;
}

/** The page that follows, and the way back to the first. `setCursor` takes the cursor of the page to show. */
export function Pager({ page, cursor, setCursor }) {
  if (!cursor && !page.has_more) return null;
  return html`<div class="row">
    ${cursor && html`<button type="button" onClick=${() => setCursor("")}>From the start</button>`}
    ${page.has_more && html`<button type="button" onClick=${() => setCursor(page.next_cursor)}>More</button>`}
  </div>`;
}
