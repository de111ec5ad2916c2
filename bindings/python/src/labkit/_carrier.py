"""Carriers: the small JSON object that takes experiences to the next process."""

from __future__ import annotations

from labkit import _native
from labkit._meta import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

HEADER = "X-Labkit-User-Experiences"
"""The HTTP header: base64url of the JSON, no padding."""

JOB_KEY = "labkit_user_experiences"
"""The key in a job's payload or headers."""

BYTES = 4096
"""What a carrier, and the header, may take at most."""


def as_bytes(carrier: str | bytes | Mapping[str, Any] | None) -> bytes:
    """Return the JSON text of a carrier or payload; None is an empty one."""
    if carrier is None:
        return b"{}"
    if isinstance(carrier, (str, bytes)) or not hasattr(carrier, "items"):
        return _native.text(carrier)
    return encode(carrier)


def merged(carriers: Iterable[str]) -> str:
    """Return one carrier with the members of all; what would not fit is left out."""
    members: list[str] = []
    room = BYTES * 3 // 4 - 2  # base64 makes four bytes of three
    for carrier in carriers:
        member = carrier[1:-1]
        room -= len(member) + 1
        if member and room >= 0:
            members.append(member)
    return "{" + ",".join(members) + "}"


def to_header(carrier: str) -> str:
    """Return the header's value for a carrier."""
    import base64

    return base64.urlsafe_b64encode(carrier.encode()).rstrip(b"=").decode()


def from_header(value: str) -> str | None:
    """Return the carrier in a header's value; None if there is none in it."""
    import base64

    if not value or len(value) > BYTES:
        return None
    try:
        padded = value.encode("ascii") + b"=" * (-len(value) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None


def ids(carrier: str | bytes | Mapping[str, Any]) -> list[str]:
    """Return the ids in a carrier; none if it cannot be read."""
    import json

    try:
        content = json.loads(as_bytes(carrier))
    except (ValueError, RecursionError):
        return []
    return list(content) if isinstance(content, dict) else []
