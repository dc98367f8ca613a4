/** The small pieces that every page is made of. */
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { ago, time } from "../lib/format.js";

/** A moment: short to read, exact in its title. */
export function Time({ at, relative = false }) {
  if (!at) return html`<span class="soft">–</span>`;
  const exact = new Date(at).toISOString();
  return html`<time datetime=${exact} title=${exact}>${relative ? ago(at) : time(at)}</time>`;
}

const MARKS = { good: "●", bad: "▲", busy: "◐", off: "○" };

const TONES = {
  good: ["active", "delivered", "success", "done", "completed", "open", "passed"],
  bad: ["dead", "failed", "error", "timeout", "failing", "expired"],
  busy: ["pending", "retrying", "running", "queued"],
};

/** A status: a word, a mark and a colour, so that colour is never all that tells. */
export function Status({ of }) {
  const tone = Object.keys(TONES).find((name) => TONES[name].includes(of)) ?? "off";
  return html`<span class="status ${tone}"><span aria-hidden="true">${MARKS[tone]}</span> ${of}</span>`;
}

/** What the broker refused, with the places that it names. */
export function Problem({ error }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <strong>${error.message}</strong>
    ${error.errors?.length > 1 &&
    html`<ul>${error.errors.map(({ pointer, detail }) => html`<li><code>${pointer || "/"}</code> ${detail}</li>`)}</ul>`}
  </div>`;
}

/** Copies a text to the clipboard. */
export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-live="polite">${done ? "Copied" : label}</button>`;
}

/** A command to copy. */
export function Command({ text }) {
  return html`<div class="command"><pre tabindex="0">${text}</pre><${Copy} text=${text} /></div>`;
}

/** Nothing to show yet: why, and what to do next. */
export function Empty({ title, children, command }) {
  return html`<div class="empty">
    <h2>${title}</h2>
    <div>${children}</div>
    ${command && html`<${Command} text=${command} />`}
  </div>`;
}

/** The first load of a page's data, its error, or the page. */
export function Loaded({ from, children }) {
  if (from.data !== null) return html`<${Problem} error=${from.error} />${children(from.data)}`;
  return from.error ? html`<${Problem} error=${from.error} />` : html`<p class="soft" role="status">Loading…</p>`;
}

/** A table that scrolls by itself on a narrow screen. `head` are titles; a title of `""` is for buttons. */
export function Table({ label, head, children }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
    <table>
      <thead>
        <tr>${head.map((title) => (title ? html`<th scope="col">${title}</th>` : html`<td></td>`))}</tr>
      </thead>
      <tbody>${children}</tbody>
    </table>
  </div>`;
}

/** A labelled input. `control` is drawn with the id that the label names. */
export function Field({ label, hint, error, children }) {
  return html`<label class="field">
    <span>${label}</span>
    ${children}
    ${hint && html`<small>${hint}</small>`}
    ${error && html`<small class="wrong" role="alert">${error}</small>`}
  </label>`;
}

/** A question in front of the page. The focus goes back to where it was; Escape closes. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label=${title}>
    <header><h2>${title}</h2><button type="button" class="small" onClick=${onClose} aria-label="Close">✕</button></header>
    ${children}
  </dialog>`;
}

/** A number with its name, and a tone when it says something. */
export function Figure({ name, value, note, tone }) {
  return html`<div class="figure ${tone ?? ""}">
    <dt>${name}</dt>
    <dd>${value}${note && html`<small>${note}</small>`}</dd>
  </div>`;
}
