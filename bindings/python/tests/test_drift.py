"""The declarations here are those of the header."""

from __future__ import annotations

import ctypes
import re
from ctypes import POINTER

import pytest

from conftest import HEADER
from labkit import _errors, _native

TEXT = re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)

RESULTS = {
    "enum labkit_status": ctypes.c_int,
    "const char *": ctypes.c_char_p,
    "uint32_t": ctypes.c_uint32,
    "bool": ctypes.c_bool,
}
PARAMETERS = {
    "labkit_client": ctypes.c_uint64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "const char *": ctypes.c_char_p,
    "char *": ctypes.c_char_p,
    "size_t *": POINTER(ctypes.c_size_t),
    "uint32_t *": POINTER(ctypes.c_uint32),
    "labkit_client *": POINTER(ctypes.c_uint64),
    "struct labkit_stats *": POINTER(_native.labkit_stats),
    "struct labkit_experience *": POINTER(_native.labkit_experience),
    "const struct labkit_experience *": POINTER(_native.labkit_experience),
}
FUNCTION = re.compile(r"^((?:enum |const )?\w+(?: \*| ))(labkit_\w+)\(([^)]*)\);", re.MULTILINE)


def declared():
    """Return each function of the header: its result and parameter types."""
    functions = {}
    for result, name, parameters in FUNCTION.findall(TEXT):
        given = [
            " ".join(p.split()) for p in parameters.split(",") if p.strip() not in ("", "void")
        ]
        types = [re.sub(r"\s*\w+$", "", p).strip() for p in given]
        functions[name] = (RESULTS[result.strip()], tuple(PARAMETERS[t] for t in types))
    return functions


@pytest.mark.parametrize("name", sorted(_native.SIGNATURES))
def test_a_function_is_declared_as_in_the_header(name):
    assert _native.SIGNATURES[name] == declared()[name]


def test_the_header_was_read_whole():
    assert len(declared()) == len(set(re.findall(r"\b(labkit_\w+)\(", TEXT)))


def test_statuses_are_those_of_the_header():
    found = re.findall(r"LABKIT_STATUS_(\w+) = (\d+)", TEXT)
    assert {int(code): name.lower() for name, code in found} == _errors.STATUSES


def test_constants_are_those_of_the_header():
    found = {name: int(value) for name, value in re.findall(r"#define LABKIT_(\w+) (\d+)", TEXT)}
    assert found.pop("ABI_VERSION") == _native.ABI_VERSION
    exits = {n: getattr(_native, n) for n in vars(_native) if n.startswith("EXIT_")}
    outcomes = {f"OUTCOME_{n.upper()}": value for n, value in _native.OUTCOMES.items()}
    assert found == {**exits, **outcomes}


def test_an_experience_is_512_bytes():
    assert ctypes.sizeof(_native.labkit_experience) == 512
    assert re.search(r"struct labkit_experience \{\s*uint64_t opaque\[64\];", TEXT)


def test_the_ledger_has_the_headers_fields_in_order():
    body = re.search(r"typedef struct labkit_stats \{(.*?)\}", TEXT, re.DOTALL).group(1)
    kinds = {"size_t": ctypes.c_size_t, "uint64_t": ctypes.c_uint64}
    found = [(name, kinds[kind]) for kind, name in re.findall(r"(\w+) (\w+);", body)]
    assert found == list(_native.labkit_stats._fields_)


def test_the_library_says_what_the_header_says():
    for code, name in _errors.STATUSES.items():
        assert _native.status_message(code) != "unknown status", name
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", _native.library_version())


def test_a_library_that_is_missing_or_too_old_is_refused_with_its_path(monkeypatch):
    with pytest.raises(ImportError, match="/nowhere/liblabkit"):
        _native.load(["/nowhere/liblabkit.so.0"])
    monkeypatch.setattr(_native, "ABI_VERSION", 99)
    with pytest.raises(ImportError, match="needs 99"):
        _native.load([_native.PATH])
