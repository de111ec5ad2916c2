"""Encoding of meta equals json.dumps, and never fails."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import sys
import uuid

import pytest

from labkit._meta import encode


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


def dumps(meta):
    return json.dumps(meta, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 2**70, True, False, None, 1.5, 1e300, -0.0, 1e-7, float("nan"), float("inf")),
        *("", "plain", 'quo"te', "back\\slash", "a\nb\tc\x00\x1f\x7f", "Zoë 漢字 🎉", "\u2028"),
        *(Level.HIGH, Text("sub"), [1, [2]], {"a": {"b": 1}}, (1, 2)),
    ],
)
def test_a_value_is_encoded_as_json_dumps_does(value):
    assert encode({"key": value}) == dumps({"key": value})


def test_keys_are_escaped_and_keep_their_order():
    meta = {"b": 1, "a": 2, 'quo"te': 3, "ключ": 4, "": 5}
    assert encode(meta) == dumps(meta)


def test_what_has_a_text_of_its_own_is_that_text():
    id = uuid.UUID(int=7)
    day = dt.date(2026, 1, 5)
    meta = {"id": id, "day": day, "price": decimal.Decimal("1.50")}
    assert json.loads(encode(meta)) == {"id": str(id), "day": "2026-01-05", "price": "1.50"}


def test_what_cannot_be_encoded_becomes_no_scalar_and_the_rest_stays():
    class Odd:
        def __str__(self):
            raise RuntimeError("no text")

    cycle = []
    cycle.append(cycle)
    encoded = encode({"a": 1, "odd": Odd(), "cycle": cycle, "z": 2})
    assert json.loads(encoded) == {"a": 1, "odd": {}, "cycle": {}, "z": 2}


def test_undecodable_file_names_become_their_bytes_again():
    assert encode({"file": b"caf\xe9".decode(errors="surrogateescape")}) == b'{"file":"caf\xe9"}'
    assert encode({"x": "\ud800"}) == b'{"x":"\xed\xa0\x80"}'


def test_the_interpreter_without_the_accelerator_encodes_the_same(monkeypatch):
    from labkit import _meta

    monkeypatch.setitem(sys.modules, "_json", None)
    monkeypatch.setattr(_meta, "_encode", _meta._make_encoder())
    meta = {"a": 1, "b": "Zoë", "c": None}
    assert encode(meta) == dumps(meta)
