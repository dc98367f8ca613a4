"""What can go wrong, as types. Everything the package raises on purpose is a `CampanileError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class CampanileError(Exception):
    """Any error of this package."""


class ConfigurationError(CampanileError):
    """The client was not told what it needs, or something that cannot be."""


class APIConnectionError(CampanileError):
    """The broker could not be reached, or the connection broke; whether a request was carried out is open."""


class APITimeoutError(APIConnectionError):
    """The broker did not answer in time; whether the request was carried out is open."""


class StreamProtocolError(CampanileError):
    """What came is not the event stream of a broker."""


class WebhookVerificationError(CampanileError):
    """A webhook's signature, time or form is not what it should be: do not trust it."""


@dataclass(frozen=True)
class Violation:
    """One rule that a request broke, and where."""

    pointer: str
    detail: str
    code: str | None = None


class APIError(CampanileError):
    """The broker answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """From the answer's status, its problem document (may be empty) and its headers."""
        self.status = status
        self.type = str(problem.get("type") or "about:blank")
        self.title = str(problem.get("title") or "")
        self.detail = str(problem.get("detail") or problem.get("message") or "")
        self.request_id = problem.get("request_id") or headers.get("x-request-id")
        self.errors = tuple(
            Violation(str(one.get("pointer", "")), str(one.get("detail", "")), one.get("code"))
            for one in problem.get("errors") or ()
            if isinstance(one, Mapping)
        )
        self.problem = dict(problem)
        self.retry_after_s = retry_after_s(headers)
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [f"{self.status} {self.title}".strip()]
        if self.detail:
            parts.append(self.detail)
        parts.extend(f"{one.pointer or '/'}: {one.detail}" for one in self.errors)
        if self.request_id:
            parts.append(f"request {self.request_id}")
        return "; ".join(parts)

    @staticmethod
    def of(status: int, body: bytes, headers: Mapping[str, str]) -> APIError:
        """The error of an answer, as the type that its status calls for."""
        try:
            problem = json.loads(body)
        except ValueError:
            problem = None
        if not isinstance(problem, Mapping):
            problem = {"title": "", "detail": body[:500].decode("utf-8", "replace")}
        kind = _KINDS.get(status) or (ServerError if status >= 500 else APIError)
        return kind(status, problem, headers)


class BadRequestError(APIError):
    """400: malformed."""


class AuthenticationError(APIError):
    """401: no key, an unknown one, or one that expired."""


class PermissionDeniedError(APIError):
    """403: the key lacks the scope."""


class NotFoundError(APIError):
    """404: not there, or not of this tenant."""


class ConflictError(APIError):
    """409: the id was used for something else, or the first request is still running."""


class GoneError(APIError):
    """410: the place is older than what retention kept; `oldest_cursor` is where to go on."""

    @property
    def oldest_cursor(self) -> str | None:
        """The oldest place that is kept."""
        oldest = self.problem.get("oldest_cursor")
        return None if oldest is None else str(oldest)


class UnprocessableEntityError(APIError):
    """422: well formed, and breaks a rule; `errors` says which and where."""


class RateLimitError(APIError):
    """429: more than is allowed; `retry_after_s` says when to come back."""


class ServerError(APIError):
    """5xx: the broker cannot at the moment; `type` says why."""


_KINDS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds, when it is given as such."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
