/**
 * The live stream of events, read with `fetch` and the session: an `EventSource` hears only the types it was told of, and
 * here any may come. Tabs that watch the same share one stream: the one that holds a lock reads it and passes on what it
 * hears, and when it goes another takes over after the place that it has seen. A hidden tab reads nothing, so that the six
 * connections that a browser allows are left to those that are looked at. None misses what it did not hear: what is passed
 * on says after which place it comes, and a tab that was not there yet begins anew.
 */
import { open } from "./api.js";

const AGAIN_MS = 2000;

/** So many parts of the stream may wait while the place to begin at is not known. */
const MOST_EARLY = 256;

/** Splits a stream of text into messages `{ id, event, data }` (Server-Sent Events, WHATWG HTML 9.2.6). */
export function parser() {
  let rest = "";
  let message = { id: undefined, event: "", data: "" };
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    const found = [];
    for (const line of lines) {
      if (line === "") {
        if (message.id !== undefined || message.data) found.push(message);
        message = { id: undefined, event: "", data: "" };
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") message.data += message.data ? `\n${value}` : value;
      else if (name === "id" || name === "event") message[name] = value;
    }
    return found;
  };
}

const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });

const willNotDo = ({ status }) => status >= 400 && status < 500 && status !== 429;

/**
 * Follows the events that `query` names, after the place that `after` promises. It listens to other tabs at once, so that
 * nothing is missed meanwhile. `hear(messages)` gets them in order and none twice; `tell({ state, error })` what the stream
 * is: `live`, `waiting` or `refused`; `lose()` is called when other tabs have heard what this one has not. `who` keeps apart
 * what different keys may see. The answer ends it.
 */
export function follow({ query, after, who, hear, tell, lose }) {
  const name = `campanile.stream ${who} ${new URLSearchParams(query)}`;
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
  const whole = new AbortController();
  const early = [];
  let place = null;
  let reading = null;
  let now = { state: "waiting", error: null };

  const isNew = ({ id }) => {
    if (id === undefined || !/^\d+$/.test(id)) return true;
    if (BigInt(id) <= place) return false;
    place = BigInt(id);
    return true;
  };
  /** Takes what comes after the place `from`. */
  const take = ({ messages, from }) => {
    if (place === null) {
      early.push({ messages, from });
      early.splice(0, early.length - MOST_EARLY);
      return;
    }
    if (BigInt(from) > place) return lose();
    const heard = messages.filter(isNew).filter(({ data }) => data);
    if (heard.length) hear(heard);
  };
  const say = (state, error = null) => {
    now = { state, error };
    tell(now);
    channel?.postMessage({ now: { state } });
  };

  async function read(signal) {
    const answer = await open("api/v1/events/stream", { ...query, last_event_id: String(place) }, signal);
    say("live");
    const parse = parser();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const messages = parse(value);
      if (!messages.length) continue;
      const part = { messages, from: String(place) };
      channel?.postMessage(part);
      take(part);
    }
  }

  async function lead(signal) {
    while (!signal.aborted) {
      try {
        await read(signal);
        if (!signal.aborted) say("waiting");
      } catch (error) {
        if (signal.aborted) return;
        say(willNotDo(error) ? "refused" : "waiting", error);
        if (willNotDo(error)) return;
      }
      await pause(AGAIN_MS, signal);
    }
  }

  const start = () => {
    if (reading || place === null || whole.signal.aborted) return;
    const { signal } = (reading = new AbortController());
    channel?.postMessage({ asks: true });
    // Without TLS there are no locks: then every tab reads for itself.
    const turn = navigator.locks ? navigator.locks.request(name, { signal }, () => lead(signal)) : lead(signal);
    turn.catch(() => {});
  };
  const stop = () => {
    reading?.abort();
    reading = null;
  };
  const seen = () => (document.visibilityState === "visible" ? start() : stop());

  channel?.addEventListener("message", ({ data }) => {
    if (data.messages) take(data);
    if (data.now) tell({ ...data.now, error: null });
    if (data.asks && now.state === "live" && reading) channel.postMessage({ now: { state: "live" } });
  });
  document.addEventListener("visibilitychange", seen);
  const begin = (known) => {
    place = BigInt(known);
    early.splice(0).forEach(take);
    seen();
  };
  after.then(begin, () => {});
  return () => {
    document.removeEventListener("visibilitychange", seen);
    whole.abort();
    stop();
    channel?.close();
  };
}
