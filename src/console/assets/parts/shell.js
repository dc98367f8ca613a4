/** What is around every page: where one can go, who one is, the scheme of colours, and the keys that lead there. */
import { html, useEffect, useState } from "../lib/html.js";
import { go, to } from "../lib/router.js";
import { signOut } from "../lib/session.js";
import { useSetting } from "../lib/use.js";
import { Dialog } from "./ui.js";

const SCHEMES = ["auto", "light", "dark"];

/** A button that goes through the schemes; `auto` is what the system says. */
function Scheme() {
  const [scheme, setScheme] = useSetting("scheme", "auto");
  useEffect(() => {
    document.documentElement.dataset.theme = scheme;
  }, [scheme]);
  const next = SCHEMES[(SCHEMES.indexOf(scheme) + 1) % SCHEMES.length];
  return html`<button type="button" class="small" onClick=${() => setScheme(next)} title="Change the colours to ${next}">
    Colours: ${scheme}
  </button>`;
}

/** Listens for `g` and a page's letter, for `/` and for `?`. Nothing is heard while one writes. */
function useKeys(pages, enabled, showHelp) {
  useEffect(() => {
    let leading = false;
    const pressed = (event) => {
      const writing = event.target.closest?.("input, textarea, select, dialog");
      if (!enabled || writing || event.ctrlKey || event.metaKey || event.altKey) return;
      const page = leading && pages.find(({ key }) => key === event.key);
      leading = event.key === "g";
      if (page) go(page.parts);
      else if (event.key === "?") showHelp();
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector("main input")?.focus();
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [enabled, pages]);
}

function Help({ pages, enabled, setEnabled, onClose }) {
  return html`<${Dialog} title="Keyboard" onClose=${onClose}>
    <dl class="keys">
      ${pages.map(({ key, title }) => html`<div><dt><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${title}</dd></div>`)}
      <div><dt><kbd>/</kbd></dt><dd>The first field of the page</dd></div>
      <div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
    </dl>
    <label class="check">
      <input type="checkbox" checked=${enabled} onChange=${(event) => setEnabled(event.target.checked ? "on" : "off")} />
      Single keys do something
    </label>
  <//>`;
}

/** The frame of the console. `pages` are those that the key may see; `current` is the first part of the address. */
export function Shell({ session, pages, current, children }) {
  const [keys, setKeys] = useSetting("keys", "on");
  const [help, setHelp] = useState(false);
  useKeys(pages, keys === "on", () => setHelp(true));
  return html`<a class="skip" href="#main" onClick=${toMain}>To the content</a>
    <header class="top">
      <a class="name" href=${to([])}>Campanile</a>
      <nav aria-label="Pages">
        ${pages.map(({ parts, title }) => {
          const here = (parts[0] ?? "") === current;
          return html`<a href=${to(parts)} aria-current=${here ? "page" : undefined}>${title}</a>`;
        })}
      </nav>
      <div class="who">
        <span title="Key ${session.key.hint}…, tenant ${session.tenant}">${session.key.name} <span class="soft">at ${session.tenant}</span></span>
        <${Scheme} />
        <button type="button" class="small" onClick=${() => setHelp(true)} aria-label="Keyboard">?</button>
        <button type="button" class="small" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    <main id="main" tabindex="-1">${children}</main>
    ${help && html`<${Help} pages=${pages} enabled=${keys === "on"} setEnabled=${setKeys} onClose=${() => setHelp(false)} />`}`;
}

/** The address is taken by the pages: the focus is moved by hand. */
function toMain(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}
