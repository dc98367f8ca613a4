"""What the client that does not block manages: destinations, deliveries, replays, event types, functions, keys."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

from . import _calls
from ._calls import API, Time, Types, delete, get, given, page_of, query, segment, send, time_text, type_list
from ._models import (
    App,
    Attempt,
    Delivery,
    Destination,
    Event,
    EventTypeInfo,
    Function,
    Invocation,
    Key,
    Page,
    Replay,
    Resource,
    Stats,
    Ticket,
)
from ._transport import AsyncTransport

T = TypeVar("T")


class _Resources:
    def __init__(self, transport: AsyncTransport) -> None:
        """Over a transport."""
        self._transport = transport


class AsyncDestinations(_Resources):
    """`client.destinations`: webhooks."""

    async def create(self, url: str, **members: Any) -> Destination:
        """Creates a destination; `secret` is in this answer and no other. A member that is `None` is sent as null."""
        body = {"url": url, **members}
        return await self._transport.run(send("POST", f"{API}/destinations", body, Destination))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Destination]:
        """One page of destinations."""
        return await self._transport.run(
            get(f"{API}/destinations", page_of(Destination), query(limit=limit, cursor=cursor))
        )

    async def get(self, id: str) -> Destination:
        """One destination."""
        return await self._transport.run(get(f"{API}/destinations/{segment(id)}", Destination))

    async def update(self, id: str, **members: Any) -> Destination:
        """Changes the given members; it counts from the next attempt on."""
        path = f"{API}/destinations/{segment(id)}"
        return await self._transport.run(send("PATCH", path, members, Destination, repeatable=True))

    async def delete(self, id: str) -> None:
        """Removes a destination."""
        await self._transport.run(delete(f"{API}/destinations/{segment(id)}"))

    async def verify(self, id: str) -> Destination:
        """Runs the verification again."""
        return await self._transport.run(self._post(id, "verify", None, Destination))

    async def activate(self, id: str, *, backlog: str | None = None) -> Destination:
        """Switches a destination on again; `backlog="skip"` forgets what waited."""
        return await self._transport.run(self._post(id, "activate", given(backlog=backlog), Destination))

    async def deactivate(self, id: str) -> Destination:
        """Switches a destination off; it keeps its place."""
        return await self._transport.run(self._post(id, "deactivate", None, Destination))

    async def rotate_secret(self, id: str, *, overlap_s: int | None = None) -> Destination:
        """Makes a new secret, in this answer and no other; the old one signs too during the overlap."""
        return await self._transport.run(self._post(id, "rotate-secret", given(overlap_s=overlap_s), Destination))

    async def test(self, id: str, *, type: str | None = None) -> Attempt:
        """Sends one signed sample now, and tells what the endpoint said."""
        return await self._transport.run(self._post(id, "test", given(type=type), Attempt))

    async def test_url(
        self,
        url: str,
        *,
        type: str | None = None,
        format: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Attempt:
        """The same for a URL that is not saved yet."""
        body = given(url=url, type=type, format=format, headers=headers)
        return await self._transport.run(send("POST", f"{API}/destinations/test", body, Attempt))

    async def deliveries(
        self,
        id: str,
        *,
        status: str | None = None,
        type: Types | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """One page of deliveries, newest first."""
        path = f"{API}/destinations/{segment(id)}/deliveries"
        parameters = query(status=status, type=type_list(type), since=since, until=until, limit=limit, cursor=cursor)
        return await self._transport.run(get(path, page_of(Delivery), parameters))

    async def iterate_deliveries(self, id: str, **filters: Any) -> AsyncIterator[Delivery]:
        """Every delivery that matches, newest first."""
        cursor = filters.pop("cursor", None)
        while True:
            page = await self.deliveries(id, cursor=cursor, **filters)
            for delivery in page.data:
                yield delivery
            if not page.has_more:
                return
            cursor = page.next_cursor

    async def stats(self, id: str) -> Stats:
        """Counts, success rate, latencies, lag."""
        return await self._transport.run(get(f"{API}/destinations/{segment(id)}/stats", Stats))

    async def replay(
        self,
        id: str,
        *,
        since: Time | None = None,
        until: Time | None = None,
        types: Types | None = None,
        only: str | None = None,
        rate_per_s: int | None = None,
        dry_run: bool | None = None,
    ) -> Replay:
        """Sends events of a time range again, as a durable job; `dry_run=True` only counts."""
        body = given(
            since=time_text(since),
            until=time_text(until),
            types=type_list(types) or None,
            only=only,
            rate_per_s=rate_per_s,
            dry_run=dry_run,
        )
        return await self._transport.run(self._post(id, "replay", body, Replay))

    def _post(self, id: str, action: str, body: Any, read: Callable[[Any], T]) -> _calls.Call[T]:
        return send("POST", f"{API}/destinations/{segment(id)}/{action}", body, read)


class AsyncDeliveries(_Resources):
    """`client.deliveries`."""

    async def get(self, id: str) -> Delivery:
        """One delivery with every attempt."""
        return await self._transport.run(get(f"{API}/deliveries/{segment(id)}", Delivery))

    async def of_event(self, event_id: str, *, limit: int | None = None, cursor: str | None = None) -> Page[Delivery]:
        """One page of an event's deliveries, each with its attempts."""
        path = f"{API}/events/{segment(event_id)}/deliveries"
        return await self._transport.run(get(path, page_of(Delivery), query(limit=limit, cursor=cursor)))

    async def resend(self, id: str) -> Delivery:
        """Sends it again now."""
        return await self._transport.run(send("POST", f"{API}/deliveries/{segment(id)}/resend", None, Delivery))


class AsyncReplays(_Resources):
    """`client.replays`."""

    async def get(self, id: str) -> Replay:
        """How far a replay is."""
        return await self._transport.run(get(f"{API}/replays/{segment(id)}", Replay))

    async def list(
        self, *, destination_id: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Page[Replay]:
        """One page of replays, newest first."""
        parameters = query(destination_id=destination_id, limit=limit, cursor=cursor)
        return await self._transport.run(get(f"{API}/replays", page_of(Replay), parameters))

    async def stop(self, id: str) -> None:
        """Stops a replay."""
        await self._transport.run(delete(f"{API}/replays/{segment(id)}"))


class AsyncEventTypes(_Resources):
    """`client.event_types`: the catalog."""

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[EventTypeInfo]:
        """One page of event types."""
        return await self._transport.run(
            get(f"{API}/event-types", page_of(EventTypeInfo), query(limit=limit, cursor=cursor))
        )

    async def get(self, name: str) -> EventTypeInfo:
        """One event type."""
        return await self._transport.run(get(f"{API}/event-types/{segment(name)}", EventTypeInfo))

    async def put(self, name: str, **members: Any) -> EventTypeInfo:
        """Adds or replaces an event type of one's own."""
        path = f"{API}/event-types/{segment(name)}"
        return await self._transport.run(send("PUT", path, members, EventTypeInfo, repeatable=True))

    async def delete(self, name: str) -> None:
        """Removes an event type of one's own."""
        await self._transport.run(delete(f"{API}/event-types/{segment(name)}"))

    async def sample(self, name: str) -> Event:
        """A valid event of the type, made up."""
        return await self._transport.run(get(f"{API}/event-types/{segment(name)}/sample", Event.of))


class AsyncApps(_Resources):
    """`client.apps`."""

    async def create(self, slug: str, name: str, **members: Any) -> App:
        """Creates an app."""
        body = {"slug": slug, "name": name, **members}
        return await self._transport.run(send("POST", f"{API}/apps", body, App))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[App]:
        """One page of apps."""
        return await self._transport.run(get(f"{API}/apps", page_of(App), query(limit=limit, cursor=cursor)))

    async def get(self, slug: str) -> App:
        """One app."""
        return await self._transport.run(get(f"{API}/apps/{segment(slug)}", App))

    async def update(self, slug: str, **members: Any) -> App:
        """Changes the given members."""
        path = f"{API}/apps/{segment(slug)}"
        return await self._transport.run(send("PATCH", path, members, App, repeatable=True))

    async def delete(self, slug: str) -> None:
        """Removes an app."""
        await self._transport.run(delete(f"{API}/apps/{segment(slug)}"))


class AsyncFunctions(_Resources):
    """`client.functions`: functions that the broker runs, and those served from here."""

    async def create(self, **members: Any) -> Function:
        """Creates a function."""
        return await self._transport.run(send("POST", f"{API}/functions", members, Function))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Function]:
        """One page of functions."""
        return await self._transport.run(get(f"{API}/functions", page_of(Function), query(limit=limit, cursor=cursor)))

    async def get(self, id: int | str) -> Function:
        """One function."""
        return await self._transport.run(get(f"{API}/functions/{segment(id)}", Function))

    async def update(self, id: int | str, **members: Any) -> Function:
        """Changes the given members."""
        path = f"{API}/functions/{segment(id)}"
        return await self._transport.run(send("PATCH", path, members, Function, repeatable=True))

    async def delete(self, id: int | str) -> None:
        """Removes a function."""
        await self._transport.run(delete(f"{API}/functions/{segment(id)}"))

    async def subscribe(self, event: str, **members: Any) -> Resource:
        """Subscribes a function to an event."""
        path = f"/api/cloud/events/{segment(event)}/subscribe/"
        return await self._transport.run(send("POST", path, members, Resource))

    async def unsubscribe(self, event: str, **members: Any) -> Resource:
        """Ends a subscription."""
        path = f"/api/cloud/events/{segment(event)}/unsubscribe/"
        return await self._transport.run(send("POST", path, members, Resource))

    async def invocations(
        self,
        *,
        function_id: int | None = None,
        event_id: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Invocation]:
        """One page of invocations."""
        parameters = query(function_id=function_id, event_id=event_id, status=status, limit=limit, cursor=cursor)
        return await self._transport.run(get(f"{API}/invocations", page_of(Invocation), parameters))

    async def invocation(self, id: str) -> Invocation:
        """One invocation."""
        return await self._transport.run(get(f"{API}/invocations/{segment(id)}", Invocation))

    async def retry_invocation(self, id: str) -> Invocation:
        """Runs an invocation again."""
        return await self._transport.run(send("POST", f"{API}/invocations/{segment(id)}/retry", None, Invocation))


class AsyncKeys(_Resources):
    """`client.keys`."""

    async def create(self, name: str, scopes: builtins.list[str], *, expires_at: Time | None = None) -> Key:
        """Makes a key; it is in this answer and no other."""
        body = given(name=name, scopes=scopes, expires_at=time_text(expires_at))
        return await self._transport.run(send("POST", f"{API}/keys", body, Key))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Key]:
        """One page of keys."""
        return await self._transport.run(get(f"{API}/keys", page_of(Key), query(limit=limit, cursor=cursor)))

    async def revoke(self, id: str) -> None:
        """Revokes a key; streams that it opened end."""
        await self._transport.run(delete(f"{API}/keys/{segment(id)}"))

    async def stream_ticket(self) -> Ticket:
        """A single-use ticket with which a browser opens one stream."""
        return await self._transport.run(send("POST", f"{API}/stream-tickets", None, Ticket))
