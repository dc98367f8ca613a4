"""The HTTP library under the clients: httpx2, or httpx where Python is too old for it. Both have the same names."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    import httpx2 as httpx
else:  # pragma: no cover - the older library has the same interface
    import httpx

__all__ = ["httpx"]
