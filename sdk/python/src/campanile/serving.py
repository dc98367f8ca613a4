"""Functions served from Python: an app for WSGI and ASGI servers that verifies calls and answers them.

A function gets the call's event. It passes by giving nothing, changes the parameters of a PRE event by giving a
`Patch`, and stops it by raising `Reject`. Any other exception is answered 500: the broker tries again.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import webhooks
from ._errors import CampanileError, ConfigurationError, WebhookVerificationError
from ._listening import log
from ._models import Event

#: A call's body is an event: no larger.
MAX_BODY_BYTES = 4 * 1024 * 1024


class Reject(CampanileError):
    """Raised by a function that does not agree: the PRE event is aborted."""

    def __init__(self, code: str, message: str = "") -> None:
        """`code` is for programs, `message` for people."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Patch:
    """Changes to the parameters of a PRE event, as a JSON Merge Patch (RFC 7396)."""

    changes: Mapping[str, Any]


ServedFunction = Callable[[Event], Any]
Environment = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Answer = tuple[int, dict[str, Any]]

_REASONS = {
    200: "OK",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
}


@dataclass(frozen=True)
class _Served:
    function: ServedFunction
    secret: str | tuple[str, ...]


class FunctionApp:
    """Functions by path. Give `app.wsgi` to a WSGI server, `app.asgi` (or the app itself) to an ASGI one."""

    def __init__(self) -> None:
        """An app without functions."""
        self._functions: dict[str, _Served] = {}

    def serve(self, path: str, *, secret: str | Iterable[str]) -> Callable[[ServedFunction], ServedFunction]:
        """Serves a function (plain or coroutine) at a path; calls must be signed with one of the secrets."""
        at = "/" + path.strip("/")
        secrets = secret if isinstance(secret, str) else tuple(secret)
        if not secrets:
            raise ConfigurationError("a served function needs a secret: anybody could call it")

        def decorate(function: ServedFunction) -> ServedFunction:
            if at in self._functions:
                raise ConfigurationError(f"two functions are served at {at}")
            self._functions[at] = _Served(function, secrets)
            return function

        return decorate

    def _checked(
        self, method: str, path: str, headers: Mapping[str, Any], body: bytes
    ) -> Answer | tuple[_Served, Event]:
        served = self._functions.get("/" + path.strip("/"))
        if served is None:
            return 404, {"error": "no function is served here"}
        if method != "POST":
            return 405, {"error": "functions are called by POST"}
        try:
            return served, webhooks.unwrap(body, headers, served.secret)
        except WebhookVerificationError as error:
            return 401, {"error": str(error)}

    async def _call(self, method: str, path: str, headers: Mapping[str, Any], body: bytes) -> Answer:
        checked = self._checked(method, path, headers, body)
        if isinstance(checked[0], int):
            return checked
        served, event = checked
        assert isinstance(event, Event)
        try:
            result = served.function(event)
            if inspect.isawaitable(result):
                result = await result
            return 200, answer_of(result)
        except Reject as reject:
            return 200, {"reject": {"code": reject.code, "message": reject.message}}
        except Exception as error:
            log.exception("the function at %s failed on event %s", path, event.id)
            return 500, {"error": type(error).__name__}

    def wsgi(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI app (PEP 3333)."""
        length = int(environment.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY_BYTES:
            status, value = 413, {"error": "too large"}
        else:
            body = environment["wsgi.input"].read(length) if length else b""
            headers = {name: value for name, value in environment.items() if name.startswith("HTTP_")}
            call = self._call(environment["REQUEST_METHOD"], environment.get("PATH_INFO", "/"), headers, body)
            status, value = asyncio.run(call)
        content = json.dumps(value).encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        start_response(f"{status} {_REASONS.get(status, 'Error')}", head)
        return [content]

    async def asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        """The ASGI app (version 3)."""
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        if scope["type"] != "http":
            return None
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES or not message.get("more_body"):
                break
        if len(body) > MAX_BODY_BYTES:
            status, value = 413, {"error": "too large"}
        else:
            headers = dict(scope["headers"])
            status, value = await self._call(scope["method"], scope["path"], headers, bytes(body))
        content = json.dumps(value).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": content})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI app."""
        await self.asgi(scope, receive, send)


async def _lifespan(
    receive: Callable[[], Awaitable[Mapping[str, Any]]], send: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def answer_of(result: Any) -> dict[str, Any]:
    """What a function's result is to the broker."""
    if result is None:
        return {}
    if isinstance(result, Patch):
        return {"patch": dict(result.changes)}
    raise ConfigurationError(f"a function gives nothing or a Patch, not {type(result).__name__}")
