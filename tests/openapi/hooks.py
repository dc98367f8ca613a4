"""What the document's formats mean: texts that no expression describes."""

import schemathesis
from hypothesis import strategies as st

FORMATS = {
    "cel": ["data.rows > 100", 'type == "pipeline.completed"', "has(data.error)"],
    "type-filter": ["pipeline.completed", "pipeline.*", "pipeline.stage.*"],
    "webhook-url": ["https://example.com/hooks", "https://hooks.example.org:8443/in?team=1"],
    "webhook-secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "sixteen-or-more-characters"],
    "signature-header": ["X-Acme-Signature", "X-Hub-Signature-256"],
    "json-media-type": ["application/json", "application/cloudevents+json"],
    "place": ["0", "1"],
    "etag": ['"1-1-42-0"', "*"],
    "uri": ["https://example.com/schemas/1"],
}

for name, texts in FORMATS.items():
    schemathesis.openapi.format(name, st.sampled_from(texts))


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    """Lines are sent as they are; whatever else was made up, as text."""
    return value if isinstance(value, bytes) else str(value).encode()
