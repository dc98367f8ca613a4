/**
 * Verifying webhooks with Web Crypto: the Standard Webhooks signature with its time, and the body-only signature.
 *
 * Verify the bytes of the body as they came, before anything parses them.
 */
import { WebhookVerificationError } from "./errors.js";
import type { Event, JSONObject } from "./models.js";

/** A signature older or newer than this is refused: somebody may have kept it. */
export const TOLERANCE_S = 300;

/** Headers in any of the usual shapes. */
export type HeadersLike = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** The body as it came. */
export type Body = string | Uint8Array;

/** How strict. */
export interface VerifyOptions {
  readonly toleranceS?: number;
  /** Milliseconds since the epoch; now unless given. */
  readonly now?: number;
}

const encoder = new TextEncoder();

/**
 * Rejects with a `WebhookVerificationError` unless one of the secrets signed this body at this time.
 *
 * Give several secrets while one is being rotated out.
 */
export async function verifySignature(
  body: Body,
  headers: HeadersLike,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<void> {
  const id = header(headers, "webhook-id");
  const at = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature");
  checkTime(at, options);
  const signed = joined(encoder.encode(`${id}.${at}.`), bytesOf(body));
  const given = signatures.split(" ").flatMap((one) => (one.startsWith("v1,") ? [decoded(one.slice(3))] : []));
  const secrets = typeof secret === "string" ? [secret] : secret;
  let matched = false;
  for (const one of secrets) {
    const key = await importKey(keyOf(one));
    for (const signature of given) {
      // Every pair is compared, each in constant time by the library.
      const right = signature !== null && (await crypto.subtle.verify("HMAC", key, signature, signed));
      matched ||= right;
    }
  }
  if (!matched) throw new WebhookVerificationError("no signature is right: wrong secret, or the body was changed");
}

/**
 * Checks the body-only signature (`X-Campanile-Signature`). It names no time: whoever saw it can send it again.
 * Prefer `verifySignature`.
 */
export async function verifyBodySignature(body: Body, signature: string, secret: string): Promise<void> {
  const hex = /^sha256=([0-9a-f]{64})$/.exec(signature)?.[1];
  const bytes = Uint8Array.from(hex?.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const key = await importKey(encoder.encode(secret));
  if (!hex || !(await crypto.subtle.verify("HMAC", key, bytes, bytesOf(body)))) {
    throw new WebhookVerificationError("the signature is not right: wrong secret, or the body was changed");
  }
}

/** Verifies a webhook and gives its body: in the default format, an event. */
export async function unwrap<T = Event>(
  body: Body,
  headers: HeadersLike,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<T> {
  await verifySignature(body, headers, secret, options);
  return unsafeUnwrap<T>(body);
}

/** The body of a webhook, unverified: for tests and for what was verified elsewhere. */
export function unsafeUnwrap<T = Event>(body: Body): T {
  let value: unknown;
  try {
    value = JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body)) as JSONObject;
  } catch (error) {
    throw new WebhookVerificationError(`the body is not JSON: ${String(error)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WebhookVerificationError("the body is not a JSON object");
  }
  return value as T;
}

function checkTime(at: string, options: VerifyOptions): void {
  const tolerance = options.toleranceS ?? TOLERANCE_S;
  if (!/^[0-9]+$/.test(at)) throw new WebhookVerificationError("webhook-timestamp is not a number of seconds");
  if (Math.abs((options.now ?? Date.now()) / 1000 - Number(at)) > tolerance) {
    throw new WebhookVerificationError(`the webhook was signed more than ${tolerance} s away from now`);
  }
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  if (!secret.startsWith("whsec_")) return encoder.encode(secret);
  const key = decoded(secret.slice(6));
  if (!key) throw new WebhookVerificationError("the secret after whsec_ is not base64");
  return key;
}

function importKey(bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function bytesOf(body: Body): Uint8Array<ArrayBuffer> {
  return typeof body === "string" ? encoder.encode(body) : new Uint8Array(body);
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

function header(headers: HeadersLike, name: string): string {
  const value =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([known]) => known.toLowerCase() === name)?.[1];
  const text = typeof value === "string" ? value : value?.[0];
  if (!text) throw new WebhookVerificationError(`the header ${name} is missing`);
  return text;
}
