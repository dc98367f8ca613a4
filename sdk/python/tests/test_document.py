"""Every call of this SDK is one that the document names, with parameters and members that it names."""

import inspect
import json
import re

import httpx
import pytest

from campanile import _async_resources, _calls, _resources

#: What the parameters of the SDK's methods are given.
VALUES = {
    "id": "1",
    "slug": "crm",
    "name": "crm",
    "event": "PRE_USER_CREATE",
    "event_id": "evt_1",
    "url": "https://example.com/hooks",
    "type": "pipeline.completed",
    "types": ["pipeline.*"],
    "status": "dead",
    "since": "2026-01-01T00:00:00Z",
    "until": "2026-02-01T00:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
    "limit": 10,
    "cursor": "1",
    "only": "failed",
    "rate_per_s": 5,
    "dry_run": True,
    "backlog": "skip",
    "overlap_s": 60,
    "format": "envelope",
    "headers": {"X-Team": "data"},
    "scopes": ["events:read"],
    "function_id": 1,
    "destination_id": "dst_1",
    "filter": "data.rows > 1",
    "events": ["a.*"],
}


class Recorder:
    """Stands for a transport: keeps the calls and makes none."""

    def __init__(self) -> None:
        self.calls: list[_calls.Call] = []

    def run(self, call: _calls.Call) -> None:
        self.calls.append(call)


def calls_of(module) -> list[_calls.Call]:
    recorder = Recorder()
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ != module.__name__ or kind.__name__.startswith("_"):
            continue
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if name.startswith("_") or "iterate" in name:
                continue
            signature = inspect.signature(method)
            named = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD][1:]
            answer = method(kind(recorder), **{p.name: VALUES[p.name] for p in named})
            if inspect.iscoroutine(answer):
                with pytest.raises(TypeError):
                    answer.send(None)
    recorder.calls.append(_calls.publish({"type": "a", "data": {}, "id": "1", "pipeline": "p", "run_id": "r"}, "k"))
    recorder.calls.append(_calls.publish_many([{"type": "a", "data": {}}], "k"))
    day = "2026-01-01T00:00:00Z"
    recorder.calls.append(_calls.list_events("a", "p", "r", day, day, "true", 1, 1, "asc", 1))
    return recorder.calls


def operation_of(document, call):
    """The operation of a call: a path that is written out comes before one that stands for anything."""
    fitting = []
    for template, methods in document["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, call.path) and call.method.lower() in methods:
            fitting.append((template.count("{"), methods[call.method.lower()]))
    assert fitting, f"{call.method} {call.path} is not in the document"
    return min(fitting, key=lambda one: one[0])[1]


@pytest.mark.parametrize("module", [_resources, _async_resources])
def test_every_call_is_in_the_document(broker, module):
    document = httpx.get(broker.url + "/openapi.json").json()
    calls = calls_of(module)
    assert len(calls) > 40
    for call in calls:
        operation = operation_of(document, call)
        what = f"{call.method} {call.path}"
        known = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        assert {name for name, _ in call.query} <= known, what
        headers = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        assert {name for name in call.headers if name != "Content-Type"} <= headers, what
        if call.body is None:
            assert not operation.get("requestBody", {}).get("required"), what
            continue
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.split("/")[-1]]
        assert set(json.loads(call.body)) <= set(schema["properties"]), what
