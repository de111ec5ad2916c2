"""A million calls of every kind.

Prints as JSON the ledger, and `grown_kib`: how much the process grew between
call 500,000 and call 1,000,000.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from itertools import cycle
from pathlib import Path

import labkit
from labkit.middleware import carrier_headers

CALLS = 1_000_000
LOOP = asyncio.new_event_loop()
PAUSE = 10_000  # so many calls fit the queue; then what is there is sent


@labkit.experience("create_order")
def decorated():
    pass


@labkit.experience("create_order")
async def coroutine():
    pass


def whole():
    labkit.start("create_order", project_id=7, kind="gift").checkpoint("packed").complete()


def failed():
    try:
        with labkit.experience("create_order"):
            raise ValueError("declined")
    except ValueError:
        pass


def marked():
    labkit.start("create_order").handled("out_of_stock").complete(items=[])


def handed_over():
    with labkit.experience("create_order"):
        carrier = labkit.carrier()
        carrier_headers()
        with labkit.isolate():
            labkit.resume("create_order", carrier, note="ü" * 40)


def mistaken():
    labkit.start("nobody_knows_this").checkpoint("Not A Name").complete()
    labkit.resume("create_order", "{")
    labkit.current("create_order").error("no such order")


def observed():
    labkit.observed("create_order", start_time=time.time(), outcome="error", reason="late")


def awaited():
    LOOP.run_until_complete(coroutine())


# What is called, and how many calls of the package's that is.
KINDS = (
    *((decorated, 1), (whole, 3), (failed, 1), (marked, 3), (handed_over, 4), (mistaken, 5)),
    *((observed, 1), (awaited, 1), (labkit.stats, 1)),
)


def rss_kib():
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError("VmRSS")


def main():
    labkit.configure()
    done = paused = 0
    half = None
    for call, weight in cycle(KINDS):
        call()
        done += weight
        if done - paused >= PAUSE:
            paused = done
            assert labkit.flush(30)
        if half is None and done >= CALLS // 2:
            gc.collect()
            half = rss_kib()
        if done >= CALLS:
            break
    assert labkit.flush(30)
    gc.collect()
    print(json.dumps({"grown_kib": rss_kib() - half, **labkit.stats()}))


if __name__ == "__main__":
    main()
