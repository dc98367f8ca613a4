"""Verifying webhooks: the Standard Webhooks signature with its time, and the body-only signature.

Verify the bytes of the body as they came, before anything parses them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ._errors import WebhookVerificationError
from ._models import Event

#: A signature older or newer than this is refused: somebody may have kept it.
TOLERANCE_S = 300


def verify_signature(
    body: bytes | str,
    headers: Mapping[str, Any],
    secret: str | Iterable[str],
    *,
    tolerance_s: int = TOLERANCE_S,
    now: float | None = None,
) -> None:
    """Raises `WebhookVerificationError` unless one of the secrets signed this body at this time.

    Give several secrets while one is being rotated out.
    """
    payload = body.encode() if isinstance(body, str) else bytes(body)
    id = _header(headers, "webhook-id")
    at = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature")
    _check_time(at, tolerance_s, time.time() if now is None else now)
    signed = f"{id}.{at}.".encode() + payload
    secrets = [secret] if isinstance(secret, str) else list(secret)
    expected = [hmac.new(_key(one), signed, hashlib.sha256).digest() for one in secrets]
    given = [_decoded(one) for one in signatures.split(" ")]
    # Every pair is compared: how long it takes tells nothing.
    if not any([hmac.compare_digest(left, right) for left in expected for right in given if right]):
        raise WebhookVerificationError("no signature is right: wrong secret, or the body was changed")


def verify_body_signature(body: bytes | str, signature: str, secret: str) -> None:
    """Checks the body-only signature (`X-Campanile-Signature`). It names no time: whoever saw it can send it again.

    Prefer `verify_signature`.
    """
    payload = body.encode() if isinstance(body, str) else bytes(body)
    expected = "sha256=" + hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise WebhookVerificationError("the signature is not right: wrong secret, or the body was changed")


def unwrap(
    body: bytes | str,
    headers: Mapping[str, Any],
    secret: str | Iterable[str],
    *,
    tolerance_s: int = TOLERANCE_S,
    now: float | None = None,
) -> Event:
    """Verifies a webhook and gives its event; `event.raw` is the whole body, whatever its format."""
    verify_signature(body, headers, secret, tolerance_s=tolerance_s, now=now)
    return unsafe_unwrap(body, headers)


def unsafe_unwrap(body: bytes | str, headers: Mapping[str, Any] | None = None) -> Event:
    """The event of a webhook, unverified: for tests and for what was verified elsewhere."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise WebhookVerificationError(f"the body is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise WebhookVerificationError("the body is not a JSON object")
    sequence = _lookup(headers or {}, "x-campanile-sequence")
    return Event.of(value, int(sequence) if sequence and sequence.isdigit() else None)


def _check_time(at: str, tolerance_s: int, now: float) -> None:
    if not (at.isascii() and at.isdigit()):
        raise WebhookVerificationError("webhook-timestamp is not a number of seconds")
    if abs(now - int(at)) > tolerance_s:
        raise WebhookVerificationError(f"the webhook was signed more than {tolerance_s} s away from now")


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise WebhookVerificationError("the secret after whsec_ is not base64") from error


def _decoded(signature: str) -> bytes | None:
    version, _, text = signature.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _header(headers: Mapping[str, Any], name: str) -> str:
    value = _lookup(headers, name)
    if not value:
        raise WebhookVerificationError(f"the header {name} is missing")
    return value


def _lookup(headers: Mapping[str, Any], name: str) -> str | None:
    for key, value in headers.items():
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        if text.lower().replace("_", "-") in (name, "http-" + name):
            one = value[0] if isinstance(value, (list, tuple)) and value else value
            return one.decode("latin-1") if isinstance(one, bytes) else str(one)
    return None
