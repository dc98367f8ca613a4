/** An event as it was published, laid out to be read and copied. */
import { html, useMemo } from "../lib/html.js";
import { pretty } from "../lib/pretty.js";
import { Copy } from "./ui.js";

export function Payload({ text, label = "Event" }) {
  const shown = useMemo(() => pretty(text), [text]);
  return html`<div class="command"><pre tabindex="0" role="region" aria-label=${label}>${shown}</pre><${Copy} text=${text} /></div>`;
}
