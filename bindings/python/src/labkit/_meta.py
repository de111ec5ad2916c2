"""Encoding of meta, the largest single cost of a call that has any.

The text equals `json.dumps(meta, separators=(",", ":"), ensure_ascii=False)`,
whose time goes into making an encoder for each call. This one is made once.
"""

from __future__ import annotations

from labkit import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Encoder = Callable[[Mapping[str, object], int], Iterable[str]]


def _fallback(value: object) -> str:
    """Ids, dates and decimals have a text of their own; JSON has no other form."""
    return str(value)


def _make_encoder() -> Encoder:
    try:
        # What json.encoder calls c_make_encoder. Importing json brings re and
        # collections with it, half a megabyte and a third of the import's time.
        from _json import encode_basestring, make_encoder
    except ImportError:  # an interpreter without the accelerator
        import json

        plain = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_fallback)
        return lambda meta, _level: (plain.encode(meta),)
    # markers, default, encoder, indent, key and item separator, sort_keys,
    # skipkeys, allow_nan. No markers: a cycle ends in a RecursionError, below.
    made: Encoder = make_encoder(
        None, _fallback, encode_basestring, None, ":", ",", False, False, True
    )
    return made


_encode = _make_encoder()
_join = "".join


def encode(meta: Mapping[str, object]) -> bytes:
    """Return `meta` as JSON. Never fails."""
    try:
        return _join(_encode(meta, 0)).encode()
    except Exception:
        return _one_by_one(meta)


def _one_by_one(meta: Mapping[str, object]) -> bytes:
    """Return all that can be encoded.

    What cannot becomes an empty object: no scalar, so that the library counts
    it and leaves it out, or refuses it where strict, as it does with lists.
    """
    members = []
    for key, value in meta.items():
        try:
            members.append(_native.text(_join(_encode({key: value}, 0))[1:-1]))
        except Exception:
            members.append(_native.text(_join(_encode({key: 0}, 0))[1:-2]) + b"{}")
    return b"{" + b",".join(members) + b"}"
