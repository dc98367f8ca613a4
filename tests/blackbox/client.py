"""Follows an event stream with the standard library alone and prints one JSON line an event.

Arguments: URL, API key, how many events to print before it ends.
"""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request

url, key, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
last_id, retry_ms, printed = "0", 2000, 0


def follow():
    """Reads one connection to its end."""
    global last_id, retry_ms, printed
    headers = {"Authorization": "Bearer " + key, "Accept": "text/event-stream", "Last-Event-ID": last_id}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
        assert response.headers.get_content_type() == "text/event-stream", response.headers
        name, data, block_id = "", [], last_id
        for raw in response:
            line = raw.decode("utf-8").rstrip("\n")
            if line == "":
                last_id = block_id
                if data and not name.startswith("stream."):
                    event = json.loads("\n".join(data))
                    assert event["type"] == name, (event, name)
                    print(json.dumps({"type": name, "sequence": int(last_id)}))
                    printed += 1
                    if printed == wanted:
                        return
                name, data = "", []
                continue
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "id":
                block_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                retry_ms = int(value)


while printed < wanted:
    try:
        follow()
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        pass
    if printed < wanted:
        time.sleep(min(retry_ms, 200) / 1000)
