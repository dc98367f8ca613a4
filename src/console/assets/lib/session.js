/** Who is signed in and what their key may do. The key itself is traded for a cookie at once and kept nowhere. */
import { get, onSessionEnd, post, remove } from "./api.js";
import { useEffect, useState } from "./html.js";

let session = null;
const listeners = new Set();

function change(next) {
  session = next;
  listeners.forEach((listener) => listener(next));
}

onSessionEnd(() => session && change(null));

/** Finds out whether the browser has a session that still holds. */
export async function resume() {
  change(await get("api/v1/session").catch(() => null));
}

export async function signIn(key) {
  change(await post("api/v1/session", { key }));
}

export async function signOut() {
  await remove("api/v1/session");
  change(null);
}

/** Whether the key of the session has a scope. What it may not do is not offered. */
export function may(scope) {
  return session?.may.includes(scope) ?? false;
}

/** The session, or null; the component is drawn again when it changes. */
export function useSession() {
  const [now, set] = useState(session);
  useEffect(() => {
    listeners.add(set);
    set(session);
    return () => listeners.delete(set);
  }, []);
  return now;
}
