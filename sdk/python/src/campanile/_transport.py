"""Carrying calls: one transport that blocks and one that does not, over the same decisions."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from ._calls import Call, is_retried, wait_before_retry_s
from ._errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ConfigurationError,
    retry_after_s,
)
from ._http_library import httpx
from ._resume import SILENCE_S

T = TypeVar("T")

VERSION = "0.1.0"
DEFAULT_URL = "http://127.0.0.1:8080"


def settings(base_url: str | None, api_key: str | None) -> tuple[str, str]:
    """The broker's address and the key, from the arguments or the environment."""
    url = (base_url or os.environ.get("CAMPANILE_URL") or DEFAULT_URL).rstrip("/")
    key = api_key or os.environ.get("CAMPANILE_KEY")
    if not key:
        raise ConfigurationError("no API key: give api_key= or set CAMPANILE_KEY")
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"the base_url must begin with http:// or https://, not {url!r}")
    return url, key


def headers_of(api_key: str) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {api_key}", "User-Agent": f"campanile-python/{VERSION}"}


def connection_error(error: Exception) -> APIConnectionError:
    """A failure of the HTTP library as one of ours."""
    kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
    return kind(f"{type(error).__name__}: {error}")


def read_answer(call: Call[T], status: int, body: bytes, headers: Mapping[str, str]) -> T:
    """What an answer is: the value of the call, or an error."""
    if not 200 <= status < 300:
        raise APIError.of(status, body, headers)
    try:
        value = json.loads(body) if body else None
    except ValueError as error:
        raise APIConnectionError(f"{call.method} {call.path}: the answer is not JSON: {error}") from error
    return call.read(value)


def time_limit(call: Call[Any], timeout: float) -> Any:
    """The client's time-out, longer for an answer that the broker is asked to wait with."""
    if not call.patience_s:
        return httpx.USE_CLIENT_DEFAULT
    return httpx.Timeout(timeout, read=timeout + call.patience_s)


def stream_timeout(timeout: float) -> Any:
    """Dialling is bounded as ever; reading by how long a living stream may be silent."""
    return httpx.Timeout(timeout, read=SILENCE_S)


class Transport:
    """Blocks until a call is answered."""

    def __init__(self, url: str, key: str, timeout: float, max_retries: int, http: Any = None) -> None:
        """A transport with a pool of connections, or over a given client of the HTTP library."""
        self._timeout = timeout
        self._max_retries = max_retries
        self._headers = headers_of(key)
        self._http = http or httpx.Client(timeout=timeout, follow_redirects=False)
        self._url = url

    def run(self, call: Call[T]) -> T:
        """Makes the call, again where that is safe and may help."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._http.request(
                    call.method,
                    self._url + call.path,
                    params=list(call.query),
                    content=call.body,
                    headers={**self._headers, **call.headers},
                    timeout=time_limit(call, self._timeout),
                )
            except httpx.TransportError as error:
                if not is_retried(call, attempt, self._max_retries, None):
                    raise connection_error(error) from error
                wait = wait_before_retry_s(attempt, None, random.random())
            else:
                if not is_retried(call, attempt, self._max_retries, answer.status_code):
                    return read_answer(call, answer.status_code, answer.content, answer.headers)
                wait = wait_before_retry_s(attempt, retry_after_s(answer.headers), random.random())
            time.sleep(wait)

    @contextmanager
    def stream(
        self, path: str, parameters: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> Iterator[Iterator[bytes]]:
        """The bytes of an event stream."""
        all_headers = {**self._headers, "Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        with self._http.stream(
            "GET",
            self._url + path,
            params=list(parameters),
            headers=all_headers,
            timeout=stream_timeout(self._timeout),
        ) as answer:
            if answer.status_code != 200:
                raise APIError.of(answer.status_code, answer.read(), answer.headers)
            yield answer.iter_raw()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


class AsyncTransport:
    """Carries calls without blocking."""

    def __init__(self, url: str, key: str, timeout: float, max_retries: int, http: Any = None) -> None:
        """A transport with a pool of connections, or over a given client of the HTTP library."""
        self._timeout = timeout
        self._max_retries = max_retries
        self._headers = headers_of(key)
        self._http = http or httpx.AsyncClient(timeout=timeout, follow_redirects=False)
        self._url = url

    async def run(self, call: Call[T]) -> T:
        """Makes the call, again where that is safe and may help."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self._http.request(
                    call.method,
                    self._url + call.path,
                    params=list(call.query),
                    content=call.body,
                    headers={**self._headers, **call.headers},
                    timeout=time_limit(call, self._timeout),
                )
            except httpx.TransportError as error:
                if not is_retried(call, attempt, self._max_retries, None):
                    raise connection_error(error) from error
                wait = wait_before_retry_s(attempt, None, random.random())
            else:
                if not is_retried(call, attempt, self._max_retries, answer.status_code):
                    return read_answer(call, answer.status_code, answer.content, answer.headers)
                wait = wait_before_retry_s(attempt, retry_after_s(answer.headers), random.random())
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def stream(
        self, path: str, parameters: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an event stream."""
        all_headers = {**self._headers, "Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        async with self._http.stream(
            "GET",
            self._url + path,
            params=list(parameters),
            headers=all_headers,
            timeout=stream_timeout(self._timeout),
        ) as answer:
            if answer.status_code != 200:
                raise APIError.of(answer.status_code, await answer.aread(), answer.headers)
            yield answer.aiter_raw()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()


TRANSPORT_ERRORS: tuple[type[Exception], ...] = (httpx.TransportError, httpx.StreamError)
