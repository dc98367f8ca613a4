/**
 * Calls of the broker's public API with the session's cookie, which counts only together with the header below.
 * Every refusal becomes a `Refusal`; a session that has ended is told to whoever listens for it.
 */

/** The API's root, found from where this file lies, so that a path before the broker's does not matter. */
const ROOT = new URL("../../../", import.meta.url);

const HEADERS = { "X-Campanile-Session": "1" };

/** An answer that is an error, with its problem document. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the broker answered ${status}`);
    this.status = status;
    this.kind = problem.type ?? "";
    this.errors = problem.errors ?? [];
    this.problem = problem;
  }
}

const ended = new Set();

/** Calls `heard` when a call was refused because there is no session any more; the answer stops that. */
export function onSessionEnd(heard) {
  ended.add(heard);
  return () => ended.delete(heard);
}

/** The URL of a path of the API with a query; members that are empty are left out. */
export function urlOf(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, value);
  }
  return url;
}

async function request(method, path, { query, body, headers, signal } = {}) {
  const options = { method, headers: { ...HEADERS, ...headers }, signal, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(urlOf(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { type: "unreachable", detail: "the broker does not answer" });
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401) ended.forEach((heard) => heard());
  throw new Refusal(answer.status, problem);
}

async function json(method, path, options) {
  const answer = await request(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, query, signal) => json("GET", path, { query, signal });
export const post = (path, body, signal) => json("POST", path, { body, signal });
export const put = (path, body) => json("PUT", path, { body });
export const patch = (path, body) => json("PATCH", path, { body });
export const remove = (path) => json("DELETE", path);

/** An answer that goes on and on, to be read as it comes. */
export const open = (path, query, signal) => request("GET", path, { query, signal });

/** An answer as the text that it is, for what must be shown byte for byte. */
export async function text(path, query, signal) {
  return (await request("GET", path, { query, signal })).text();
}
