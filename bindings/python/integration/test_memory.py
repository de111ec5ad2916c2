"""A process that records for long does not grow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import support

# What the allocator's own bookkeeping may take; a byte a call would be 488.
BOUND_KIB = 256


def test_half_a_million_calls_more_take_no_more_memory(tmp_path, ledgers):
    # The log of all that would only fill the disk.
    tracker = support.Tracker(tmp_path, log=Path("/dev/null"))
    environment = support.environment(tracker, ledgers)
    report = json.loads(support.run([sys.executable, support.APPS / "million.py"], environment))
    assert report["grown_kib"] < BOUND_KIB
    assert report["recorded"] == report["acknowledged"] == tracker.accepted()
    assert report["recorded"] > 500_000
    tracker.close()
