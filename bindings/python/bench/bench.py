"""What recording costs, beside what one would use instead.

python bench/bench.py [FILE]    the figures as JSON lines go to FILE, too

First what each call takes by itself, beside encoding three fields; then, in
processes of their own, an event from the call to its acknowledgement, beside
OpenTelemetry and a queue written by hand. Each figure is the best of several
rounds or runs, on a machine that is doing something else as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labkit
import peers
from labkit import _meta
from labkit.testing import recording
from measure import FIELDS
from recorders import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
CALLS = 3_000  # a round fits the queue, so that nothing is dropped


def main() -> None:
    """Measure, print, and write to the file that was named."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "create_order.yml").write_text(DEFINITION, encoding="utf-8")
        with recording(directory, strict=False) as recorder:
            figures = measure(recorder.lines)
    figures += peers.measure()
    lines = [json.dumps(figure) for figure in figures]
    for f in figures:
        goal = "" if f["goal"] is None else f", goal {f['goal']}"
        beside = f"{f['peer']} {f['peer_value']:.0f}: {f['ratio']}{goal}"
        print(f"{f['name']:50} {f['value']:6.0f} {f['unit']:9} {beside}")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


def measure(settle: Callable[[], Any]) -> list[dict[str, Any]]:
    """Return each figure, as a line of the report."""
    held = labkit.start("create_order")

    def block() -> None:
        with labkit.experience("create_order"):
            pass

    calls: dict[str, Callable[[], Any]] = {
        "peer": lambda: json.dumps(FIELDS),
        "python.start_complete": lambda: labkit.start("create_order").complete(),
        "python.start_complete.meta3": lambda: labkit.start("create_order", **FIELDS).complete(),
        "python.block": block,
        "python.checkpoint": lambda: held.checkpoint("packed"),
        "python.checkpoint.meta3": lambda: held.checkpoint("packed", **FIELDS),
        "python.encode.meta3": lambda: _meta.encode(FIELDS),
    }
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):  # round by round, so that a busy moment hits all alike
        for name, call in calls.items():
            with labkit.isolate():
                took_ns = timeit.timeit(call, number=CALLS) / CALLS * 1e9
            best[name] = min(best[name], took_ns)
            settle()
    peer = best.pop("peer")
    return [
        {
            "name": name,
            "value": round(value, 1),
            "unit": "ns",
            "peer": "json.dumps of 3 fields",
            "peer_value": round(peer, 1),
            "ratio": round(peer / value, 2),
            "goal": None,
        }
        for name, value in best.items()
    ]


if __name__ == "__main__":
    main()
