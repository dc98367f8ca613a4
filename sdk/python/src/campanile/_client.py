"""The two clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import _async_resources, _resources, webhooks
from ._async_events import AsyncEvents
from ._events import Events
from ._transport import AsyncTransport, Transport, settings
from .serving import FunctionApp, ServedFunction


class ServingFunctions(_resources.Functions):
    """`client.functions`."""

    def __init__(self, transport: Transport) -> None:
        """Over a transport."""
        super().__init__(transport)
        self.app = FunctionApp()

    def serve(self, path: str, *, secret: str | Iterable[str]) -> Callable[[ServedFunction], ServedFunction]:
        """Serves a function at a path of `client.functions.app`, a WSGI and ASGI app."""
        return self.app.serve(path, secret=secret)


class AsyncServingFunctions(_async_resources.AsyncFunctions):
    """`client.functions`."""

    def __init__(self, transport: AsyncTransport) -> None:
        """Over a transport."""
        super().__init__(transport)
        self.app = FunctionApp()

    def serve(self, path: str, *, secret: str | Iterable[str]) -> Callable[[ServedFunction], ServedFunction]:
        """Serves a function at a path of `client.functions.app`, a WSGI and ASGI app."""
        return self.app.serve(path, secret=secret)


class Client:
    """A client that blocks. `base_url` and `api_key` default to `CAMPANILE_URL` and `CAMPANILE_KEY`."""

    webhooks = webhooks

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        max_retries: int = 2,
        http_client: Any = None,
    ) -> None:
        """Nothing is dialled before the first call. `timeout`: seconds, beside what the broker is to wait."""
        url, key = settings(base_url, api_key)
        self._transport = Transport(url, key, timeout, max_retries, http_client)
        self.events = Events(self._transport)
        self.destinations = _resources.Destinations(self._transport)
        self.deliveries = _resources.Deliveries(self._transport)
        self.replays = _resources.Replays(self._transport)
        self.event_types = _resources.EventTypes(self._transport)
        self.apps = _resources.Apps(self._transport)
        self.functions = ServingFunctions(self._transport)
        self.keys = _resources.Keys(self._transport)

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes its connections."""
        self.close()


class AsyncClient:
    """A client for asyncio, with the same names."""

    webhooks = webhooks

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        max_retries: int = 2,
        http_client: Any = None,
    ) -> None:
        """Nothing is dialled before the first call. `timeout`: seconds, beside what the broker is to wait."""
        url, key = settings(base_url, api_key)
        self._transport = AsyncTransport(url, key, timeout, max_retries, http_client)
        self.events = AsyncEvents(self._transport)
        self.destinations = _async_resources.AsyncDestinations(self._transport)
        self.deliveries = _async_resources.AsyncDeliveries(self._transport)
        self.replays = _async_resources.AsyncReplays(self._transport)
        self.event_types = _async_resources.AsyncEventTypes(self._transport)
        self.apps = _async_resources.AsyncApps(self._transport)
        self.functions = AsyncServingFunctions(self._transport)
        self.keys = _async_resources.AsyncKeys(self._transport)

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncClient:
        """Itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes its connections."""
        await self.close()
