"""What the blocking client manages: destinations, deliveries, replays, event types, functions, keys, tickets."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
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
from ._transport import Transport

T = TypeVar("T")


class _Resources:
    def __init__(self, transport: Transport) -> None:
        """Over a transport."""
        self._transport = transport


class Destinations(_Resources):
    """`client.destinations`: webhooks."""

    def create(self, url: str, **members: Any) -> Destination:
        """Creates a destination; `secret` is in this answer and no other. A member that is `None` is sent as null."""
        body = {"url": url, **members}
        return self._transport.run(send("POST", f"{API}/destinations", body, Destination))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Destination]:
        """One page of destinations."""
        return self._transport.run(get(f"{API}/destinations", page_of(Destination), query(limit=limit, cursor=cursor)))

    def get(self, id: str) -> Destination:
        """One destination."""
        return self._transport.run(get(f"{API}/destinations/{segment(id)}", Destination))

    def update(self, id: str, **members: Any) -> Destination:
        """Changes the given members; it counts from the next attempt on."""
        path = f"{API}/destinations/{segment(id)}"
        return self._transport.run(send("PATCH", path, members, Destination, repeatable=True))

    def delete(self, id: str) -> None:
        """Removes a destination."""
        self._transport.run(delete(f"{API}/destinations/{segment(id)}"))

    def verify(self, id: str) -> Destination:
        """Runs the verification again."""
        return self._transport.run(self._post(id, "verify", None, Destination))

    def activate(self, id: str, *, backlog: str | None = None) -> Destination:
        """Switches a destination on again; `backlog="skip"` forgets what waited."""
        return self._transport.run(self._post(id, "activate", given(backlog=backlog), Destination))

    def deactivate(self, id: str) -> Destination:
        """Switches a destination off; it keeps its place."""
        return self._transport.run(self._post(id, "deactivate", None, Destination))

    def rotate_secret(self, id: str, *, overlap_s: int | None = None) -> Destination:
        """Makes a new secret, in this answer and no other; the old one signs too during the overlap."""
        return self._transport.run(self._post(id, "rotate-secret", given(overlap_s=overlap_s), Destination))

    def test(self, id: str, *, type: str | None = None) -> Attempt:
        """Sends one signed sample now, and tells what the endpoint said."""
        return self._transport.run(self._post(id, "test", given(type=type), Attempt))

    def test_url(
        self,
        url: str,
        *,
        type: str | None = None,
        format: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Attempt:
        """The same for a URL that is not saved yet."""
        body = given(url=url, type=type, format=format, headers=headers)
        return self._transport.run(send("POST", f"{API}/destinations/test", body, Attempt))

    def deliveries(
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
        return self._transport.run(get(path, page_of(Delivery), parameters))

    def iterate_deliveries(self, id: str, **filters: Any) -> Iterator[Delivery]:
        """Every delivery that matches, newest first."""
        cursor = filters.pop("cursor", None)
        while True:
            page = self.deliveries(id, cursor=cursor, **filters)
            yield from page.data
            if not page.has_more:
                return
            cursor = page.next_cursor

    def stats(self, id: str) -> Stats:
        """Counts, success rate, latencies, lag."""
        return self._transport.run(get(f"{API}/destinations/{segment(id)}/stats", Stats))

    def replay(
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
        return self._transport.run(self._post(id, "replay", body, Replay))

    def _post(self, id: str, action: str, body: Any, read: Callable[[Any], T]) -> _calls.Call[T]:
        return send("POST", f"{API}/destinations/{segment(id)}/{action}", body, read)


class Deliveries(_Resources):
    """`client.deliveries`."""

    def get(self, id: str) -> Delivery:
        """One delivery with every attempt."""
        return self._transport.run(get(f"{API}/deliveries/{segment(id)}", Delivery))

    def of_event(self, event_id: str, *, limit: int | None = None, cursor: str | None = None) -> Page[Delivery]:
        """One page of an event's deliveries, each with its attempts."""
        path = f"{API}/events/{segment(event_id)}/deliveries"
        return self._transport.run(get(path, page_of(Delivery), query(limit=limit, cursor=cursor)))

    def resend(self, id: str) -> Delivery:
        """Sends it again now."""
        return self._transport.run(send("POST", f"{API}/deliveries/{segment(id)}/resend", None, Delivery))


class Replays(_Resources):
    """`client.replays`."""

    def get(self, id: str) -> Replay:
        """How far a replay is."""
        return self._transport.run(get(f"{API}/replays/{segment(id)}", Replay))

    def list(
        self, *, destination_id: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Page[Replay]:
        """One page of replays, newest first."""
        parameters = query(destination_id=destination_id, limit=limit, cursor=cursor)
        return self._transport.run(get(f"{API}/replays", page_of(Replay), parameters))

    def stop(self, id: str) -> None:
        """Stops a replay."""
        self._transport.run(delete(f"{API}/replays/{segment(id)}"))


class EventTypes(_Resources):
    """`client.event_types`: the catalog."""

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[EventTypeInfo]:
        """One page of event types."""
        return self._transport.run(get(f"{API}/event-types", page_of(EventTypeInfo), query(limit=limit, cursor=cursor)))

    def get(self, name: str) -> EventTypeInfo:
        """One event type."""
        return self._transport.run(get(f"{API}/event-types/{segment(name)}", EventTypeInfo))

    def put(self, name: str, **members: Any) -> EventTypeInfo:
        """Adds or replaces an event type of one's own."""
        path = f"{API}/event-types/{segment(name)}"
        return self._transport.run(send("PUT", path, members, EventTypeInfo, repeatable=True))

    def delete(self, name: str) -> None:
        """Removes an event type of one's own."""
        self._transport.run(delete(f"{API}/event-types/{segment(name)}"))

    def sample(self, name: str) -> Event:
        """A valid event of the type, made up."""
        return self._transport.run(get(f"{API}/event-types/{segment(name)}/sample", Event.of))


class Apps(_Resources):
    """`client.apps`."""

    def create(self, slug: str, name: str, **members: Any) -> App:
        """Creates an app."""
        body = {"slug": slug, "name": name, **members}
        return self._transport.run(send("POST", f"{API}/apps", body, App))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[App]:
        """One page of apps."""
        return self._transport.run(get(f"{API}/apps", page_of(App), query(limit=limit, cursor=cursor)))

    def get(self, slug: str) -> App:
        """One app."""
        return self._transport.run(get(f"{API}/apps/{segment(slug)}", App))

    def update(self, slug: str, **members: Any) -> App:
        """Changes the given members."""
        path = f"{API}/apps/{segment(slug)}"
        return self._transport.run(send("PATCH", path, members, App, repeatable=True))

    def delete(self, slug: str) -> None:
        """Removes an app."""
        self._transport.run(delete(f"{API}/apps/{segment(slug)}"))


class Functions(_Resources):
    """`client.functions`: functions that the broker runs, and those served from here."""

    def create(self, **members: Any) -> Function:
        """Creates a function."""
        return self._transport.run(send("POST", f"{API}/functions", members, Function))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Function]:
        """One page of functions."""
        return self._transport.run(get(f"{API}/functions", page_of(Function), query(limit=limit, cursor=cursor)))

    def get(self, id: int | str) -> Function:
        """One function."""
        return self._transport.run(get(f"{API}/functions/{segment(id)}", Function))

    def update(self, id: int | str, **members: Any) -> Function:
        """Changes the given members."""
        path = f"{API}/functions/{segment(id)}"
        return self._transport.run(send("PATCH", path, members, Function, repeatable=True))

    def delete(self, id: int | str) -> None:
        """Removes a function."""
        self._transport.run(delete(f"{API}/functions/{segment(id)}"))

    def subscribe(self, event: str, **members: Any) -> Resource:
        """Subscribes a function to an event."""
        path = f"/api/cloud/events/{segment(event)}/subscribe/"
        return self._transport.run(send("POST", path, members, Resource))

    def unsubscribe(self, event: str, **members: Any) -> Resource:
        """Ends a subscription."""
        path = f"/api/cloud/events/{segment(event)}/unsubscribe/"
        return self._transport.run(send("POST", path, members, Resource))

    def invocations(
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
        return self._transport.run(get(f"{API}/invocations", page_of(Invocation), parameters))

    def invocation(self, id: str) -> Invocation:
        """One invocation."""
        return self._transport.run(get(f"{API}/invocations/{segment(id)}", Invocation))

    def retry_invocation(self, id: str) -> Invocation:
        """Runs an invocation again."""
        return self._transport.run(send("POST", f"{API}/invocations/{segment(id)}/retry", None, Invocation))


class Keys(_Resources):
    """`client.keys`."""

    def create(self, name: str, scopes: builtins.list[str], *, expires_at: Time | None = None) -> Key:
        """Makes a key; it is in this answer and no other."""
        body = given(name=name, scopes=scopes, expires_at=time_text(expires_at))
        return self._transport.run(send("POST", f"{API}/keys", body, Key))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Page[Key]:
        """One page of keys."""
        return self._transport.run(get(f"{API}/keys", page_of(Key), query(limit=limit, cursor=cursor)))

    def revoke(self, id: str) -> None:
        """Revokes a key; streams that it opened end."""
        self._transport.run(delete(f"{API}/keys/{segment(id)}"))

    def stream_ticket(self) -> Ticket:
        """A single-use ticket with which a browser opens one stream."""
        return self._transport.run(send("POST", f"{API}/stream-tickets", None, Ticket))
