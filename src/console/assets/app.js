/** The console: signs in, knows the pages, draws the one that the address names. */
import { html, render, useEffect, useState } from "./lib/html.js";
import { to, useRoute } from "./lib/router.js";
import { may, resume, useSession } from "./lib/session.js";
import { Destinations } from "./pages/destinations.js";
import { Events } from "./pages/events.js";
import { Functions } from "./pages/functions.js";
import { Live } from "./pages/live.js";
import { Overview } from "./pages/overview.js";
import { Runs } from "./pages/runs.js";
import { SignIn } from "./pages/signin.js";
import { Types } from "./pages/types.js";
import { Shell } from "./parts/shell.js";
import { Empty } from "./parts/ui.js";

/** Every page: the first part of its address, the letter after `g`, the scope without which it is not offered. */
const PAGES = [
  { parts: [], key: "o", title: "Overview", view: Overview },
  { parts: ["events"], key: "e", title: "Events", view: Events, scope: "events:read" },
  { parts: ["runs"], key: "r", title: "Runs", view: Runs, scope: "events:read" },
  { parts: ["destinations"], key: "d", title: "Destinations", view: Destinations, scope: "destinations:read" },
  { parts: ["functions"], key: "f", title: "Functions", view: Functions, scope: "functions:read" },
  { parts: ["types"], key: "t", title: "Event types", view: Types, scope: "events:read" },
  { parts: ["live"], key: "l", title: "Live", scope: "events:read", view: Live },
];

function App() {
  const [ready, setReady] = useState(false);
  const session = useSession();
  const { parts, query } = useRoute();
  useEffect(() => {
    resume().finally(() => setReady(true));
  }, []);
  if (!ready) return null;
  if (!session) return html`<${SignIn} />`;
  const pages = PAGES.filter(({ scope }) => !scope || may(scope));
  const current = parts[0] ?? "";
  const page = pages.find((one) => (one.parts[0] ?? "") === current);
  return html`<${Shell} session=${session} pages=${pages} current=${current}>
    ${page ? html`<${page.view} rest=${parts.slice(1)} query=${query} key=${parts.join("/")} />` : html`<${Lost} />`}
  <//>`;
}

function Lost() {
  return html`<${Empty} title="There is no such page">
    It may need a key that may do more. <a href=${to([])}>Overview</a>
  <//>`;
}

render(html`<${App} />`, document.getElementById("app"));
