"""Each way to record, beside the others: with and without meta, on one thread and on four."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Results = dict[tuple[str, int, int], dict[str, float]]

HERE = Path(__file__).parent
RECORDERS = ("labkit", "labkit experience", "opentelemetry", "by hand")
PASSES = 3  # through all of them, so that a busy minute hits all alike
OTEL = "opentelemetry-sdk, OTLP/HTTP"
HAND = "queue + http.client thread"
ALONE = "labkit, one thread"
SHORT = {OTEL: "opentelemetry", HAND: "by_hand", ALONE: "one_thread"}

# Name, unit, ours and theirs (recorder, fields of meta, threads), peer, goal as a ratio.
BESIDE: tuple[tuple[str, str, tuple[str, int, int], tuple[str, int, int], str, float | None], ...]
BESIDE = (
    ("event", "ns", ("labkit", 0, 1), ("opentelemetry", 0, 1), OTEL, 15),
    ("event", "ns", ("labkit", 0, 1), ("by hand", 0, 1), HAND, None),
    ("event", "ns", ("labkit", 3, 1), ("opentelemetry", 3, 1), OTEL, 8),
    ("event", "ns", ("labkit", 3, 1), ("by hand", 3, 1), HAND, 1.5),
    ("event", "ns", ("labkit", 0, 4), ("opentelemetry", 0, 4), OTEL, 8),
    ("event", "ns", ("labkit", 3, 4), ("opentelemetry", 3, 4), OTEL, 8),
    ("event", "ns", ("labkit", 3, 4), ("by hand", 3, 4), HAND, None),
    ("event", "ns", ("labkit", 3, 4), ("labkit", 3, 1), ALONE, round(1 / 1.3, 2)),
    ("experience", "ns", ("labkit experience", 0, 1), ("opentelemetry", 0, 1), OTEL, None),
    ("experience", "ns", ("labkit experience", 3, 1), ("opentelemetry", 3, 1), OTEL, None),
    ("event", "ns of CPU", ("labkit", 3, 1), ("opentelemetry", 3, 1), OTEL, 15),
    ("event", "ns of CPU", ("labkit", 3, 1), ("by hand", 3, 1), HAND, 3),
    ("event", "ns of CPU", ("labkit", 0, 1), ("opentelemetry", 0, 1), OTEL, None),
    ("event", "ns of CPU", ("labkit", 0, 1), ("by hand", 0, 1), HAND, None),
    ("experience", "ns of CPU", ("labkit experience", 3, 1), ("opentelemetry", 3, 1), OTEL, None),
)


def measure() -> list[dict[str, Any]]:
    """Return each comparison as a line of the report."""
    results: Results = {}
    with sink() as url:
        for _ in range(PASSES):
            for recorder in RECORDERS:
                for fields, threads in ((0, 1), (3, 1), (0, 4), (3, 4)):
                    keep_best(results, (recorder, fields, threads), url)
    return [line(results, *row) for row in BESIDE]


def keep_best(results: Results, case: tuple[str, int, int], url: str) -> None:
    """Measure a case in a process of its own; keep the better of this and earlier figures."""
    command = [sys.executable, str(HERE / "measure.py"), *map(str, case), url]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    figures = json.loads(told.stdout)
    before = results.get(case, figures)
    results[case] = {name: min(value, before[name]) for name, value in figures.items()}


def line(  # one row of BESIDE
    results: Results,
    what: str,
    unit: str,
    ours: tuple[str, int, int],
    theirs: tuple[str, int, int],
    peer: str,
    goal: float | None,
) -> dict[str, Any]:
    """Return a comparison as a line of the report; a ratio above 1 is in our favour."""
    mine, other = (
        results[case]["cpu_us"] * 1000 if unit == "ns of CPU" else results[case]["caller_ns"]
        for case in (ours, theirs)
    )
    total = ".cpu" if unit == "ns of CPU" else ""
    return {
        "name": f"python.{what}{total}.meta{ours[1]}.threads{ours[2]}.{SHORT[peer]}",
        "value": round(mine, 1),
        "unit": unit,
        "peer": peer,
        "peer_value": round(other, 1),
        "ratio": round(other / mine, 2),
        "goal": goal,
    }


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """Run the server that takes all in."""
    command = [sys.executable, str(HERE / "sink.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (process.stdout.readline() if process.stdout else "").strip()
        finally:
            process.terminate()
