"""What is managed, against the real broker: deliveries, replays, and functions served from here."""

import contextlib
import threading
import wsgiref.simple_server
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from campanile import NotFoundError, Patch, Reject, UnprocessableEntityError
from tests.conftest import eventually

SECRET = "a-secret-of-sixteen-characters"


@contextlib.contextmanager
def serving(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def endpoint(statuses):
    """An endpoint that answers with each status in turn, and with the last one from then on."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def test_a_dead_delivery_is_found_and_replayed(client):
    with serving(endpoint([500, 200])) as url:
        made = client.destinations.create(url, verification="none", retry={"enabled": False})
        event = client.events.publish("a", {"n": 1})
        dead = eventually("it is dead", lambda: client.destinations.deliveries(made.id, status="dead").data)[0]
        assert client.deliveries.get(dead.id).attempts[0]["status"] == 500
        assert client.destinations.replay(made.id, dry_run=True).total == 1
        replay = client.destinations.replay(made.id, only="failed")
        ended = eventually("it ends", lambda: (one := client.replays.get(replay.id)).status == "done" and one)
        assert (ended.total, ended.done, ended.failed) == (1, 1, 0)
        assert [one.id for one in client.replays.list(destination_id=made.id).data] == [replay.id]
        assert client.deliveries.of_event(event.id).data[0].status == "delivered"
        rotated = client.destinations.rotate_secret(made.id, overlap_s=60)
        assert rotated.secret != made.secret
        client.destinations.delete(made.id)
        with pytest.raises(NotFoundError):
            client.destinations.get(made.id)


def test_a_function_served_from_here_rejects_patches_and_is_listed(client):
    client.event_types.put("PRE_ORDER", mode="pre")
    client.event_types.put("POST_ORDER", mode="post")

    @client.functions.serve("/check", secret=SECRET)
    def check(event):
        if event.data["amount"] > 100:
            raise Reject("too_much", "at most 100")
        return Patch({"checked": True})

    server = wsgiref.simple_server.make_server("127.0.0.1", 0, client.functions.app.wsgi, handler_class=Quiet)
    with serving(server) as url:
        client.apps.create("shop", "Shop")
        function = client.functions.create(name="Check", url=f"{url}/check", app="shop", secret=SECRET)
        client.functions.subscribe("PRE_ORDER", function_id=function.id)
        assert client.events.publish_and_wait("PRE_ORDER", {"amount": 5}) == {"amount": 5, "checked": True}
        with pytest.raises(UnprocessableEntityError) as refused:
            client.events.publish_and_wait("PRE_ORDER", {"amount": 500}, deadline_ms=20_000)
        failures = refused.value.problem["data"]["failures"]
        assert [(one["kind"], one["code"]) for one in failures] == [("rejected", "too_much")]
        runs = client.functions.invocations(function_id=function.id).data
        assert sorted(one.status for one in runs) == ["error", "success"]
        assert client.functions.invocation(runs[0].id).attempts
        client.functions.unsubscribe("PRE_ORDER", function_id=function.id)
        client.functions.delete(function.id)
