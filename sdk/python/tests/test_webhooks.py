"""Verification, against an independent signer and against what the broker sends."""

import base64
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
