"""Experiences across HTTP: the carrier header, and middleware that takes it."""

from __future__ import annotations

from labkit import _carrier, _default

HEADER = _carrier.HEADER
"""The header's name."""


def carrier_headers() -> dict[str, str]:
    """Return the header that takes all that is active here along with a request.

    For peers that trust you: `requests.post(url, headers=carrier_headers())`.
    Empty if nothing is active.
    """
    carrier = _default.carrier()
    return {} if carrier == "{}" else {HEADER: _carrier.to_header(carrier)}


__all__ = ["HEADER", "carrier_headers"]
