/** What can go wrong, as types. Everything the package throws on purpose is a `CampanileError`. */

/** Any error of this package. */
export class CampanileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The client was not told what it needs, or something that cannot be. */
export class ConfigurationError extends CampanileError {}

/** The broker could not be reached, or the connection broke; whether a request was carried out is open. */
export class APIConnectionError extends CampanileError {}

/** The broker did not answer in time; whether the request was carried out is open. */
export class APITimeoutError extends APIConnectionError {}

/** What came is not the event stream of a broker. */
export class StreamProtocolError extends CampanileError {}

/** A webhook's signature, time or form is not what it should be: do not trust it. */
export class WebhookVerificationError extends CampanileError {}

/** One rule that a request broke, and where. */
export interface Violation {
  readonly pointer: string;
  readonly detail: string;
  readonly code?: string;
}

/** A problem document (RFC 9457). */
export type Problem = Readonly<Record<string, unknown>>;

/** The broker answered with a problem document. */
export class APIError extends CampanileError {
  readonly status: number;
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string | null;
  readonly errors: readonly Violation[];
  readonly problem: Problem;
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: Problem, headers: Headers) {
    const text = (name: string): string => (typeof problem[name] === "string" ? (problem[name] as string) : "");
    const errors = Array.isArray(problem["errors"]) ? (problem["errors"] as Violation[]) : [];
    const requestId = text("request_id") || headers.get("x-request-id");
    const detail = text("detail") || text("message");
    const parts = [`${status} ${text("title")}`.trim(), detail];
    parts.push(...errors.map((one) => `${one.pointer || "/"}: ${one.detail}`));
    if (requestId) parts.push(`request ${requestId}`);
    super(parts.filter((part) => part !== "").join("; "));
    this.status = status;
    this.type = text("type") || "about:blank";
    this.title = text("title");
    this.detail = detail;
    this.requestId = requestId;
    this.errors = errors;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs(headers);
  }
}

/** 400: malformed. */
export class BadRequestError extends APIError {}
/** 401: no key, an unknown one, or one that expired. */
export class AuthenticationError extends APIError {}
/** 403: the key lacks the scope. */
export class PermissionDeniedError extends APIError {}
/** 404: not there, or not of this tenant. */
export class NotFoundError extends APIError {}
/** 409: the id was used for something else, or the first request is still running. */
export class ConflictError extends APIError {}
/** 410: the place is older than what retention kept; `problem.oldest_cursor` is where to go on. */
export class GoneError extends APIError {}
/** 422: well formed, and breaks a rule; `errors` says which and where. */
export class UnprocessableEntityError extends APIError {}
/** 429: more than is allowed; `retryAfterMs` says when to come back. */
export class RateLimitError extends APIError {}
/** 5xx: the broker cannot at the moment; `type` says why. */
export class ServerError extends APIError {}

const KINDS = new Map<number, typeof APIError>([
  [400, BadRequestError],
  [401, AuthenticationError],
  [403, PermissionDeniedError],
  [404, NotFoundError],
  [409, ConflictError],
  [410, GoneError],
  [422, UnprocessableEntityError],
  [429, RateLimitError],
]);

/** The error of an answer, as the type that its status calls for. */
export function errorOf(status: number, body: string, headers: Headers): APIError {
  let problem: unknown;
  try {
    problem = JSON.parse(body);
  } catch {
    problem = null;
  }
  if (typeof problem !== "object" || problem === null || Array.isArray(problem)) {
    problem = { detail: body.slice(0, 500) };
  }
  const kind = KINDS.get(status) ?? (status >= 500 ? ServerError : APIError);
  return new kind(status, problem as Problem, headers);
}

/** `Retry-After` in milliseconds, when it is given in seconds. */
export function retryAfterMs(headers: Headers): number | null {
  const text = headers.get("retry-after")?.trim() ?? "";
  return /^[0-9]+$/.test(text) ? Number(text) * 1000 : null;
}
