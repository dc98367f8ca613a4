"""A real broker for each test that asks: the program of this repository, on a folder and a port of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile import AsyncClient, Client

KEY = "sdk-tests-key"
# Nothing here is for a proxy of the machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
ROOT = Path(__file__).parents[3]
PROGRAM = Path(os.environ.get("CAMPANILE_PROGRAM", ROOT / "target" / "debug" / "campanile"))

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
drain = "2s"
[storage]
path = "{data}"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[[keys]]
name = "tests"
token = "{key}"
tenant = "default"
scopes = ["admin", "events:publish"]
"""


def eventually(what: str, condition, seconds: float = 240.0):
    """Waits until a condition holds, and gives what it gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Broker:
    """The program, which can be killed and started again on the same folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(port=self.port, data=self.folder / "data", key=KEY))
        self.errors = (self.folder / "stderr.log").open("a")

        def run() -> str | None:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--config", str(config)],
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
            )
            assert self.process.stdout
            for line in self.process.stdout:
                if found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", line):
                    return found.group(1)
            return None

        # The port of a broker that was just killed may be held for a moment.
        self.port = int(eventually("the broker listens", run))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.errors.close()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(240) == 0
        self.errors.close()

    def client(self, **settings) -> Client:
        return Client(self.url, KEY, **settings)

    def async_client(self) -> AsyncClient:
        return AsyncClient(self.url, KEY)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with tempfile.TemporaryDirectory() as folder:
        running = Broker(Path(folder))
        yield running
        with contextlib.suppress(OSError):
            running.kill()


@pytest.fixture
def client(broker: Broker) -> Iterator[Client]:
    with broker.client() as client:
        yield client
