"""uWSGI embeds an interpreter and forks it past Python's hooks: nothing lost, nothing twice.

It is Debian's, with Debian's Python: the package needs nothing but the standard
library, so it is found by PYTHONPATH, whatever environment runs this test.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import ask, serving, until

LISTENING = r"bound to TCP address (\S+)"
WORKERS = 2
WISHES = ["good"] * 20 + ["error"] * 6 + ["handled"] * 6 + ["lost"] * 2
# Of these wishes, and of one boot, in an application of its own.
CHECKPOINTS = 3 * 20 + 2 * 6 + 2 * 6 + 2

loading = pytest.mark.parametrize("loading", [(), ("--lazy-apps",)], ids=["preload", "lazy"])


def command(*options):
    return (
        *("uwsgi", "--plugin", "python3", "--module", "uwsgi_shop", "--need-app"),
        *("--master", "--die-on-term", "--http-socket", "127.0.0.1:0", "--disable-logging"),
        *("--workers", str(WORKERS), *options),
    )


@contextlib.contextmanager
def serve(options, environment, directory):
    """Yield the address as soon as all workers run."""
    with serving(command(*options), environment, LISTENING, directory, python=None) as address:
        until(lambda: serves(options, directory, 1), lambda: "the workers")
        yield address


def said(directory, pattern):
    """Return what the groups of the pattern have matched in the server's log so far."""
    return re.findall(pattern, (directory / "server").read_text(encoding="utf-8"))


def spawned(directory):
    """Return the numbers of all workers so far."""
    return said(directory, r"spawned uWSGI worker \d+ \(pid: (\d+)")


def serves(options, directory, generation):
    """Return whether so many generations of workers have begun, and loaded the application."""
    loads = WORKERS if "--lazy-apps" in options else 1
    loaded = said(directory, r"WSGI app 0 .* ready in (\d+)")
    return (len(spawned(directory)), len(loaded)) == (generation * WORKERS, generation * loads)


def wish(address, wishes=tuple(WISHES)):
    """Ask for each, four at a time; return who answered."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda it: ask(f"http://{address}/{it}", "GET"), wishes))
    assert [status for status, _ in answers] == [500 if it == "error" else 200 for it in wishes]
    return {pid for _, pid in answers}


@loading
@pytest.mark.parametrize("threads", [(), ("--enable-threads", "--threads", "4")], ids=["1", "4"])
def test_over_a_reload_and_a_stop_every_experience_ends_once_as_it_should(
    loading, threads, tracker, ledgers, environment, tmp_path
):
    with serve((*loading, *threads), environment, tmp_path) as address:
        first = wish(address)
        (master,) = said(tmp_path, r"spawned uWSGI master process \(pid: (\d+)\)")
        os.kill(int(master), signal.SIGHUP)
        until(lambda: serves(loading, tmp_path, 2), lambda: "the reload")
        # Where any port will do, the reloaded master takes another.
        second = wish(said(tmp_path, LISTENING)[-1])
        assert first <= set(spawned(tmp_path)[:WORKERS])
        assert second <= set(spawned(tmp_path)[WORKERS:])
    boots = 2 * (WORKERS if loading else 1)
    assert tracker.outcomes(boots + 2 * len(WISHES)) == {
        ("boot", "success"): boots,
        ("create_order", "success"): 2 * 20,
        ("create_order", "error"): 2 * 6,
        ("create_order", "handled"): 2 * 6,
        ("lost_order", "timeout"): 2 * 2,
    }
    assert ledgers.add_up() == tracker.accepted() == 2 * boots + 2 * CHECKPOINTS


@loading
def test_a_tracker_that_never_answers_holds_no_worker_up(
    loading, tracker, ledgers, environment, tmp_path
):
    with contextlib.ExitStack() as outage:  # until after the server has left
        with serve(loading, environment, tmp_path) as address:
            outage.enter_context(tracker.away())
            wish(address, ["good"] * 8)
            asked = time.monotonic()
        # Half a second for each worker; uWSGI's master looks once a second.
        assert time.monotonic() - asked < 5
    assert ledgers.dropped() == {"dropped_shut_down": 3 * 8}
