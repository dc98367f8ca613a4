/** Where in the console one is: the part of the address after `#`, so that every view has an address to share. */
import { useEffect, useState } from "./html.js";

/** `#/events/evt_1?type=a` as `{ parts: ["events", "evt_1"], query: { type: "a" } }`. */
export function read(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view. Members of the query that are empty are left out. */
export function to(parts, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const tail = set.length ? `?${new URLSearchParams(set)}` : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${tail}`;
}

export function go(parts, query) {
  location.hash = to(parts, query);
}

/** Changes the query of the view that is shown, without a new entry in the browser's history. */
export function setQuery(change) {
  const { parts, query } = read(location.hash);
  history.replaceState(null, "", to(parts, { ...query, ...change }));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The view that is shown; the component is drawn again when it changes. */
export function useRoute() {
  const [route, set] = useState(() => read(location.hash));
  useEffect(() => {
    const changed = () => set(read(location.hash));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}
