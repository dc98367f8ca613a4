"""Client of the Campanile event broker.

from campanile import Client

client = Client("http://127.0.0.1:8080", api_key="...")   # or CAMPANILE_URL, CAMPANILE_KEY

@client.events.on("pipeline.completed")
def on_complete(event):
    print(f"Pipeline {event.pipeline} completed: {event.data['rows_loaded']} rows")

client.events.listen()
"""

from . import webhooks
from ._client import AsyncClient, Client
from ._errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CampanileError,
    ConfigurationError,
    ConflictError,
    GoneError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamProtocolError,
    UnprocessableEntityError,
    Violation,
    WebhookVerificationError,
)
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
    Published,
    Replay,
    Stats,
    StreamGap,
    Ticket,
)
from ._resume import Cursor, FileCursor
from ._transport import VERSION
from .serving import FunctionApp, Patch, Reject

__version__ = VERSION

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "App",
    "AsyncClient",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "CampanileError",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "Cursor",
    "Delivery",
    "Destination",
    "Event",
    "EventTypeInfo",
    "FileCursor",
    "Function",
    "FunctionApp",
    "GoneError",
    "Invocation",
    "Key",
    "NotFoundError",
    "Page",
    "Patch",
    "PermissionDeniedError",
    "Published",
    "RateLimitError",
    "Reject",
    "Replay",
    "ServerError",
    "Stats",
    "StreamGap",
    "StreamProtocolError",
    "Ticket",
    "UnprocessableEntityError",
    "Violation",
    "WebhookVerificationError",
    "__version__",
    "webhooks",
]
