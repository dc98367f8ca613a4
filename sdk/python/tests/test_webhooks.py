"""Verification, against an independent signer and against what the broker sends."""

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import standardwebhooks

from campanile import WebhookVerificationError, webhooks
from tests.conftest import eventually

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"id":"evt_1","type":"a.b","timestamp":"2026-01-01T00:00:00Z","data":{"n":1}}'
AT = 1_771_135_204


def signed(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    at = datetime.datetime.fromtimestamp(AT, datetime.timezone.utc)
    signature = standardwebhooks.Webhook(secret).sign("evt_1", at, body.decode())
    return {"webhook-id": "evt_1", "webhook-timestamp": str(AT), "webhook-signature": signature}


def test_what_an_independent_signer_signed_is_accepted():
    event = webhooks.unwrap(BODY, signed(), SECRET, now=AT)
    assert (event.id, event.type, event.data) == ("evt_1", "a.b", {"n": 1})


def test_header_names_come_in_any_spelling():
    upper = {name.upper().replace("-", "_"): value for name, value in signed().items()}
    webhooks.verify_signature(BODY, {f"HTTP_{name}": value for name, value in upper.items()}, SECRET, now=AT)
    raw = {name.title().encode(): value.encode() for name, value in signed().items()}
    webhooks.verify_signature(BODY, raw, SECRET, now=AT)


def test_any_live_secret_and_any_signature_will_do():
    headers = signed()
    other = "a-secret-of-sixteen-characters"
    webhooks.verify_signature(BODY, headers, [other, SECRET], now=AT)
    headers["webhook-signature"] = "v1,AAAA v2,xyz not-one " + headers["webhook-signature"]
    webhooks.verify_signature(BODY, headers, SECRET, now=AT)


def test_a_plain_secret_signs_with_its_bytes():
    secret = "a-secret-of-sixteen-characters"
    digest = hmac.new(secret.encode(), f"evt_1.{AT}.".encode() + BODY, hashlib.sha256).digest()
    headers = {**signed(), "webhook-signature": "v1," + base64.b64encode(digest).decode()}
    webhooks.verify_signature(BODY, headers, secret, now=AT)


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ({"webhook-signature": "v1,AAAA"}, AT),
        ({"webhook-signature": "v1," + "é"}, AT),
        ({"webhook-signature": ""}, AT),
        ({"webhook-timestamp": "soon"}, AT),
        ({"webhook-timestamp": str(AT + 1)}, AT),
        ({"webhook-id": "evt_2"}, AT),
        ({}, AT + 301),
        ({}, AT - 301),
    ],
)
def test_everything_else_is_refused(change, now):
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(BODY, {**signed(), **change}, SECRET, now=now)
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(BODY + b" ", signed(), SECRET, now=AT)
    with pytest.raises(WebhookVerificationError):
        webhooks.unwrap(BODY, signed(), "whsec_###", now=AT)


def test_what_the_broker_sends_is_accepted_by_both_signatures(client):
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    destination = client.destinations.create(f"http://127.0.0.1:{server.server_port}/", verification="none")
    assert destination.secret.startswith("whsec_") and destination.secret not in repr(destination)
    published = client.events.publish("pipeline.completed", {"rows_loaded": 3})
    headers, body = eventually("a delivery", lambda: got and got[0])
    server.shutdown()
    event = webhooks.unwrap(body, headers, destination.secret)
    assert (event.id, event.sequence, event.data) == (published.id, published.sequence, {"rows_loaded": 3})
    lower = {name.lower(): value for name, value in headers.items()}
    webhooks.verify_body_signature(body, lower["x-campanile-signature"], destination.secret)
    with pytest.raises(WebhookVerificationError):
        webhooks.verify_body_signature(body + b" ", lower["x-campanile-signature"], destination.secret)
    assert json.loads(body) == event.raw


@contextlib.contextmanager
def receiver():
    """An endpoint that takes everything: its URL, and what it got."""
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", got
    finally:
        server.shutdown()


def as_acme_checks(payload: str, signature: str, secret: str) -> bool:
    """What Acme's documentation tells its receivers to do."""
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", signature)


def test_independent_packages_accept_what_the_broker_sends_and_nothing_else(client):
    data = {"rows_loaded": 950, "name": "é 🔔 \u2028 \\", "nested": [{"none": None}]}
    with receiver() as (url, got):
        destination = client.destinations.create(url, verification="none")
        client.events.publish("pipeline.completed", data)
        headers, body = eventually("a delivery", lambda: got and got[0])
    webhook = standardwebhooks.Webhook(destination.secret)
    assert webhook.verify(body.decode(), headers)["data"] == data
    for change in ({"webhook-id": "evt_2"}, {"webhook-timestamp": "1700000000"}):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            webhook.verify(body.decode(), {**headers, **change})
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        webhook.verify(body.decode() + " ", headers)
    signature = headers["x-campanile-signature"]
    assert as_acme_checks(body.decode(), signature, destination.secret)
    assert not as_acme_checks(body.decode() + " ", signature, destination.secret)
    assert not as_acme_checks(body.decode(), signature, SECRET)


def test_a_secret_of_ones_own_is_checked_as_acme_says(client):
    secret = "acme-webhook-secret-0123"
    with receiver() as (url, got):
        client.destinations.create(url, verification="none", secret=secret, signature_header="X-Acme-Signature")
        client.events.publish("pipeline.failed", {"error": "timed out"})
        headers, body = eventually("a delivery", lambda: got and got[0])
    assert as_acme_checks(body.decode(), headers["x-acme-signature"], secret)
