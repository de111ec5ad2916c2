"""The corpus that every language replays: the exact bytes that must travel."""

from __future__ import annotations

import json

import pytest

from conftest import DEFINITIONS, SCENARIOS
from player import replay

FILES = sorted(SCENARIOS.glob("*.json"))


def test_there_is_a_corpus():
    assert len(FILES) > 40


@pytest.mark.parametrize(
    "path", FILES, ids=[json.loads(p.read_text(encoding="utf-8"))["name"] for p in FILES]
)
def test_scenario(path):
    sent, expected, stats, figures = replay(path, DEFINITIONS)
    assert sent == expected
    for name, value in figures.items():
        assert stats[name] == value, name
    accounted = stats["acknowledged"] + stats["rejected"] + stats["queued"] + stats["dropped"]
    assert stats["recorded"] == accounted
