"""What all tests share."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = ROOT / "tests" / "scenarios"
DEFINITIONS = SCENARIOS / "definitions"
HEADER = ROOT / "include" / "labkit.h"

# The tests load what ships; a missing library fails the first import, loudly.
os.environ.setdefault("LABKIT_LIBRARY", str(ROOT / "target" / "lib" / "liblabkit.so.0"))
for key in ("ENDPOINT", "DEFINITIONS", "TYPE", "TOKEN", "STRICT"):
    os.environ.pop(f"LABKIT_{key}", None)

from labkit.testing import recording  # noqa: E402 - after the environment is set


@pytest.fixture
def definitions():
    return str(DEFINITIONS)


@pytest.fixture
def recorder(definitions):
    """A client as in development and test."""
    with recording(definitions) as made:
        yield made


@pytest.fixture
def production(definitions):
    """A client as in production."""
    with recording(definitions, strict=False) as made:
        yield made


@pytest.fixture
def log(caplog):
    """The texts that the binding logs."""
    caplog.set_level(logging.WARNING, logger="labkit")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "labkit"]
