"""Clients that were written by others read the broker's streams and check its signatures."""

import json

import cloudevents.core.bindings.http as cloudevents
import httpx
import httpx_sse
import pytest
import sseclient
from cloudevents.core.v1.event import CloudEvent

from tests.conftest import KEY

REPLAY = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
HEADERS = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}


def publish(client, count: int) -> list[str]:
    drafts = [{"type": "a.b", "data": {"n": n, "text": "é\u2028\r\n"}} for n in range(count)]
    return [str(one.sequence) for one in client.events.publish_many(drafts)]


def test_httpx_sse_reads_the_stream(broker, client):
    places = publish(client, 20)
    with httpx.Client() as http:
        url = broker.url + "/api/v1/events/stream"
        with httpx_sse.connect_sse(http, "GET", url, params=REPLAY, headers=HEADERS) as source:
            events = [one for one in source.iter_sse() if one.event == "a.b"]
    assert [one.id for one in events] == places
    assert [json.loads(one.data)["data"]["n"] for one in events] == list(range(20))
    assert json.loads(events[0].data)["data"]["text"] == "é\u2028\r\n"


def test_sseclient_reads_the_stream(broker, client):
    places = publish(client, 20)
    url = broker.url + "/api/v1/events/stream"
    with httpx.stream("GET", url, params=REPLAY, headers=HEADERS) as answer:
        events = [one for one in sseclient.SSEClient(answer.iter_bytes()).events() if one.event == "a.b"]
    assert [one.id for one in events] == places
    assert [json.loads(one.data)["data"]["n"] for one in events] == list(range(20))


CLOUDEVENT = {
    "id": "ce-1",
    "source": "/apps/shop",
    "type": "order.paid",
    "specversion": "1.0",
    "subject": "order 7",
    "datacontenttype": "application/json",
    "region": "eu",
}


@pytest.mark.parametrize("write", [cloudevents.to_structured_event, cloudevents.to_binary_event])
def test_the_cloudevents_sdk_publishes_and_reads(broker, client, write):
    event = CloudEvent(CLOUDEVENT, {"amount": 5})
    message = write(event)
    key = {"Authorization": f"Bearer {KEY}"}
    published = httpx.post(broker.url + "/api/v1/events", content=message.body, headers={**message.headers, **key})
    assert published.status_code == 201, published.text
    assert client.events.get("ce-1").data == {"amount": 5}
    accepted = {**key, "Accept": "application/cloudevents+json"}
    answer = httpx.get(broker.url + "/api/v1/events/ce-1", headers=accepted)
    read = cloudevents.from_http_event(cloudevents.HTTPMessage(headers=dict(answer.headers), body=answer.content))
    assert read.get_data() == {"amount": 5}
    attributes = read.get_attributes()
    assert {name: attributes[name] for name in CLOUDEVENT} == CLOUDEVENT
