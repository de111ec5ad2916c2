"""Each way to become several processes: no hook, no hang, nothing lost, nothing twice."""

from __future__ import annotations

import sys

import pytest

from support import APPS, run

# How many processes, or for an executor jobs; what the parent records beside the first.
WAYS = {
    "raw fork": (50, 1),
    "os.fork among threads": (50, None),
    "multiprocessing fork": (8, 0),
    "multiprocessing forkserver": (4, 0),
    "multiprocessing spawn": (4, 0),
    "executor fork": (8, 0),
    "executor forkserver": (8, 0),
    "executor spawn": (8, 0),
}


@pytest.mark.parametrize(("way", "count", "more"), [(w, *n) for w, n in WAYS.items()], ids=WAYS)
def test_every_process_sends_its_own_and_nothing_twice(
    way, count, more, tracker, ledgers, environment
):
    # From 3.12 on Python warns of any fork beside a thread, as the README says.
    run(
        [sys.executable, "-W", "ignore:This process", APPS / "forks.py", way, str(count)],
        environment,
    )
    sent = ledgers.add_up()
    assert sent == tracker.accepted()
    successes = sent // 2
    assert tracker.outcomes(successes) == {("create_order", "success"): successes}
    if more is not None:
        assert successes == 1 + count + more
    recorded = {e["pid"] for e in tracker.events() if e["event"] == "start" and "pid" in e}
    left = len(list(ledgers.directory.glob("*.json")))
    if "executor" in way:  # one of its processes may have had all the jobs
        assert 2 <= len(recorded) <= left <= 3
    else:
        assert len(recorded) == left == 1 + count
