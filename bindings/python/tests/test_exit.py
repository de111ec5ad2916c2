"""How an interpreter ends, and what becomes then of what it has recorded."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from server import tracker

# Half a second is promised; the rest is what a busy machine adds.
SOON = 1.0

PRELUDE = """
    import atexit, sys, threading, time
    # Callbacks run last in, first out: this one is after the library's own.
    atexit.register(lambda: print(time.monotonic() - leaving[0], flush=True))
    leaving = []
    import labkit
    labkit.configure(endpoint={endpoint!r}, definitions={definitions!r}, batch_age_ms=60000)
    labkit.start("create_order", who="main").complete()
    atexit.register(lambda: leaving.append(time.monotonic()))
"""

WAYS = {
    "at the end of its program": ("", 0),
    "by sys.exit": ("sys.exit(3)", 3),
    "by an exception": ("raise RuntimeError('a problem')", 1),
    "by SIGINT": ("import os, signal; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -2),
    "in the middle of a block": (
        """
        with labkit.experience("sign_in"):
            sys.exit(3)
        """,
        3,
    ),
    "by sys.exit in a coroutine": (
        """
        import asyncio
        async def work():
            async with labkit.experience("sign_in"):
                sys.exit(3)
        asyncio.run(work())
        """,
        3,
    ),
    "with its last thread": (
        """
        def work():
            time.sleep(0.05)
            labkit.start("sign_in").complete()
        threading.Thread(target=work).start()
        """,
        0,
    ),
}

BUSY = """
    def work():
        while True:
            labkit.start("sign_in").complete()
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.05)
"""


def run(program, endpoint, definitions, **environment):
    """Return how long the interpreter took to leave, and its exit code."""
    text = PRELUDE.format(endpoint=endpoint, definitions=definitions)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text) + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        # A job in the background ignores it, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.stdout, done.stderr
    return float(done.stdout), done.returncode


@pytest.fixture
def silence():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("program", "code"), WAYS.values(), ids=WAYS.keys())
def test_nothing_is_lost_when_the_interpreter_ends(program, code, definitions):
    with tracker() as it:
        _, left_with = run(program, it.url, definitions)
        assert left_with == code
        ours = [
            c["checkpoint"] for c in it.checkpoints if c["user_experience_id"] == "create_order"
        ]
        assert ours == ["start", "end"]


@pytest.mark.parametrize("program", [way for way, _ in WAYS.values()], ids=WAYS.keys())
def test_the_interpreter_ends_in_time_while_nobody_answers(program, definitions, silence):
    seconds, _ = run(program, silence, definitions)
    assert 0.4 < seconds < SOON


def test_the_interpreter_ends_in_time_while_threads_record(definitions, silence):
    for endpoint in (silence, None):
        with tracker() as it:
            seconds, code = run(BUSY, endpoint or it.url, definitions)
            assert code == 0
            assert seconds < SOON


def test_the_interpreter_ends_in_time_while_the_resolver_hangs(definitions):
    preload = os.environ["LABKIT_SILENT_DNS"]
    assert Path(preload).is_file()
    seconds, code = run("", "http://tracker.example.", definitions, LD_PRELOAD=preload)
    assert code == 0
    assert 0.4 < seconds < SOON
