"""Functions served from Python: WSGI and ASGI, verified calls only."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
import time

import pytest

from campanile import Client, ConfigurationError, FunctionApp, Patch, Reject

SECRET = "a-secret-of-sixteen-characters"


def headers_for(body: bytes, secret: str = SECRET) -> dict[str, str]:
    at = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"tsk_1.{at}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "tsk_1", "webhook-timestamp": at, "webhook-signature": signature}


def wsgi(app: FunctionApp, path: str, body: bytes, headers: dict[str, str], method: str = "POST"):
    environment = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()},
    }
    started = []
    content = b"".join(app.wsgi(environment, lambda status, head: started.append((status, head))))
    return int(started[0][0].split()[0]), json.loads(content)


def asgi(app: FunctionApp, path: str, body: bytes, headers: dict[str, str], method: str = "POST"):
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    halves = [body[: len(body) // 2], body[len(body) // 2 :]]
    messages = [{"type": "http.request", "body": part, "more_body": n == 0} for n, part in enumerate(halves)]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture(params=[wsgi, asgi], ids=["wsgi", "asgi"])
def call(request):
    return request.param


@pytest.fixture
def app():
    client = Client("http://127.0.0.1:1", "key")

    @client.functions.serve("/validate-user", secret=SECRET)
    def validate(event):
        if event.data["age"] < 18:
            raise Reject("too_young", "must be 18")

    @client.functions.serve("enrich", secret=["another-secret-123", SECRET])
    async def enrich(event):
        await asyncio.sleep(0)
        return Patch({"country": "FR", "seen": event.type})

    @client.functions.serve("broken", secret=SECRET)
    def broken(event):
        raise RuntimeError("nobody should see this")

    return client.functions.app


def body_of(**data) -> bytes:
    return json.dumps({"id": "evt_1", "type": "user.create", "timestamp": "", "data": data}).encode()


def test_a_function_passes_rejects_and_patches(app, call):
    adult, child = body_of(age=30), body_of(age=3)
    assert call(app, "/validate-user", adult, headers_for(adult)) == (200, {})
    answer = {"reject": {"code": "too_young", "message": "must be 18"}}
    assert call(app, "/validate-user", child, headers_for(child)) == (200, answer)
    answer = {"patch": {"country": "FR", "seen": "user.create"}}
    assert call(app, "/enrich/", adult, headers_for(adult)) == (200, answer)


def test_an_unsigned_or_wrongly_signed_call_runs_nothing(app, call):
    body = body_of(age=30)
    assert call(app, "/validate-user", body, {})[0] == 401
    assert call(app, "/validate-user", body, headers_for(body, "another-secret-123"))[0] == 401
    assert call(app, "/validate-user", body + b" ", headers_for(body))[0] == 401


def test_a_failure_is_500_and_tells_nothing(app, call):
    body = body_of(age=30)
    status, answer = call(app, "/broken", body, headers_for(body))
    assert (status, answer) == (500, {"error": "RuntimeError"})


def test_other_paths_and_methods_are_refused(app, call):
    assert call(app, "/nothing", b"{}", {})[0] == 404
    assert call(app, "/enrich", b"", {}, "GET")[0] == 405


def test_mistakes_are_found_when_the_app_is_made(app):
    with pytest.raises(ConfigurationError):
        app.serve("/enrich", secret=SECRET)(print)
    with pytest.raises(ConfigurationError):
        app.serve("/open", secret="")
