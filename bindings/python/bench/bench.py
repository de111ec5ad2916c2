"""What a call costs, beside what encoding the same three fields costs.

python bench/bench.py [FILE]    the figures as JSON lines go to FILE, too

Each figure is the best of several rounds: what the calls themselves take, on a
machine that is doing something else as well.
"""

from __future__ import annotations

import json
import sys
import tempfile
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labkit
from labkit import _meta
from labkit.testing import recording

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
CALLS = 3_000  # a round fits the queue, so that nothing is dropped
FIELDS: dict[str, Any] = {"project_id": 7, "kind": "gift", "ok": True}
DEFINITION = """\
description: A customer places an order
feature_category: checkout
urgency: sync_fast
"""


def main() -> None:
    """Measure, print, and write to the file that was named."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "create_order.yml").write_text(DEFINITION, encoding="utf-8")
        with recording(directory, strict=False) as recorder:
            figures = list(measure(recorder.lines))
    lines = [json.dumps(figure) for figure in figures]
    for figure in figures:
        print(f"{figure['name']:36} {figure['value']:8.0f} ns   json.dumps x {figure['ratio']}")
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
