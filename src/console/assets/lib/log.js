/** Reading the log in pages. A page may end early where a filter was costly: here it is asked on until it is full. */
import { get } from "./api.js";

/** How often one page is asked on for: a filter that hardly anything passes must not keep the broker busy unasked. */
const MOST_ASKED = 8;

/**
 * Events that `query` names, at most `limit` of them, from the place `cursor` on: `{ events, cursor, more, head }`.
 * `order` is `asc` or `desc`; `more` says whether there may be others behind `cursor`.
 */
export async function readPage({ query, order, cursor, limit }, signal) {
  const events = [];
  let page = { next_cursor: cursor };
  for (let asked = 0; asked < MOST_ASKED; asked += 1) {
    page = await get("api/v1/events", { ...query, order, cursor: page.next_cursor, limit: limit - events.length }, signal);
    events.push(...page.data);
    if (!page.has_more || events.length >= limit) break;
  }
  return { events, cursor: page.next_cursor, more: page.has_more, head: page.head_cursor };
}

/**
 * The page of a list that shows the newest event first, with the places to leaf to: `{ events, older, newer }`, null where
 * there is nothing. `before` and `after` are places in the log, `after` may be `oldest`. Where nothing is newer than that
 * page it is the newest one (`newest`), whatever was asked for.
 */
export async function leaf({ query, before, after, limit }, signal) {
  if (after) {
    const oldest = after === "oldest";
    const page = await readPage({ query, order: "asc", cursor: oldest ? undefined : after, limit }, signal);
    const events = page.events.toReversed();
    // What is newer than that does not fill a page: the newest page shows it, and goes on showing what comes.
    if (page.more) return { events, newer: page.cursor, older: oldest ? null : String(events.at(-1)?.sequence ?? after), newest: false };
    if (oldest) return { events, newer: null, older: null, newest: false };
  }
  const page = await readPage({ query, order: "desc", cursor: after ? undefined : before, limit }, signal);
  const newer = before && !after ? String(page.events[0]?.sequence ?? BigInt(before) - 1n) : null;
  return { events: page.events, newer, older: page.more ? page.cursor : null, newest: newer === null };
}
