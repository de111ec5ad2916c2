"""One way to record, measured in a process of its own: measure.py RECORDER META THREADS URL.

Prints JSON: `caller_ns`, what a call takes (with several threads: the time that
all their calls took, divided by their number); and `cpu_us`, processor time of the
whole process per event, export included. Each is the median of several rounds:
that an exporter's thread gets in the callers' way is no accident.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from recorders import RECORDERS

if TYPE_CHECKING:
    from recorders import Recorder

ROUNDS = 20
CALLS = 1_600  # fits OpenTelemetry's queue, so that nothing is dropped
FIELDS: dict[str, Any] = {"project_id": 7, "kind": "gift", "ok": True}


def main(name: str, meta: int, threads: int, url: str) -> None:
    """Measure, and print."""
    recorder = RECORDERS[name](url)
    fields = FIELDS if meta else {}
    one_round(recorder, fields, threads)  # warms up, and connects
    rounds = [one_round(recorder, fields, threads) for _ in range(ROUNDS)]
    if recorder.lost():
        raise SystemExit(f"{name} lost {recorder.lost()} events: the figures are of no use")
    took_s, cpu = (statistics.median(figures) for figures in zip(*rounds))
    print(json.dumps({"caller_ns": took_s / CALLS * 1e9, "cpu_us": cpu / CALLS * 1e6}))


def one_round(recorder: Recorder, fields: dict[str, Any], threads: int) -> tuple[float, float]:
    """Return how long CALLS calls took, and what processor time until all was exported."""
    cpu_before = cpu_s()
    times: list[float] = []

    def note() -> None:
        times.append(time.perf_counter())

    # Noted by whoever comes last: the main thread may be woken long after.
    begin, end = (threading.Barrier(threads, action=note) for _ in range(2))
    event = recorder.event

    def record() -> None:
        begin.wait()
        for _ in range(CALLS // threads):
            event(fields)
        end.wait()

    others = [threading.Thread(target=record) for _ in range(threads - 1)]
    for other in others:
        other.start()
    record()
    for other in others:
        other.join()
    began, ended = times
    recorder.flush()
    return ended - began, cpu_s() - cpu_before


def cpu_s() -> float:
    """Return the processor time of this process and its threads so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
