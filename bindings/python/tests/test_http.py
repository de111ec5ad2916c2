"""The whole way: over a real socket to a server that reads what arrives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

import labkit
from labkit._version import __version__
from server import tracker

# Twice what it takes on an idle machine; a request would wait ten seconds.
SOON = 1.2


def test_a_round_trip_is_acknowledged(definitions):
    with tracker() as it:
        client = labkit.Client(endpoint=it.url, definitions=definitions, type="web", token="secret")  # noqa: S106 - a test's
        with client.experience("create_order", project_id=7) as order:
            order.checkpoint("packed")
        assert client.flush(5)
        stats = client.stats()
        assert stats["recorded"] == stats["acknowledged"] == 3
        assert [c["checkpoint"] for c in it.checkpoints] == ["start", "intermediate", "end"]
        assert it.checkpoints[0]["meta"] == {"project_id": 7}
        assert it.envelopes[0]["sdk"] == {"name": "labkit-python", "version": __version__}
        assert it.tokens == ["Bearer secret"]
        client.set_token("renewed")
        client.start("create_order")
        assert client.close(5)
        assert it.tokens[-1] == "Bearer renewed"


def test_what_is_recorded_after_shutdown_is_counted_as_dropped(definitions, log):
    with tracker() as it:
        client = labkit.Client(endpoint=it.url, definitions=definitions, strict=True)
        client.start("create_order")
        assert client.shutdown(5)
        assert client.shutdown(5)
        client.start("create_order").complete()
        stats = client.stats()
        assert (stats["acknowledged"], stats["dropped_shut_down"]) == (1, 3)
        assert any("the client was shut down" in line for line in log())
        client.close(0)


@pytest.fixture
def black_hole():
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_flush_and_shutdown_keep_their_deadlines_against_a_black_hole(definitions, black_hole):
    client = labkit.Client(endpoint=black_hole, definitions=definitions)
    client.start("create_order")
    began = time.monotonic()
    assert not client.flush(0.3)
    assert 0.25 < time.monotonic() - began < SOON
    began = time.monotonic()
    assert not client.shutdown(0.5)
    assert time.monotonic() - began < SOON
    stats = client.stats()
    assert stats["recorded"] == stats["dropped"] == 1
    client.close(0)


def test_a_signal_interrupts_a_flush(definitions, black_hole):
    class SignalledError(Exception):
        pass

    def interrupt(*_):
        raise SignalledError

    client = labkit.Client(endpoint=black_hole, definitions=definitions)
    client.start("create_order")
    previous = signal.signal(signal.SIGALRM, interrupt)
    began = time.monotonic()
    try:
        for wait in (client.flush, client.shutdown):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(SignalledError):
                wait(8)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < SOON
    client.close(0)


def test_an_interpreter_exits_in_time_against_a_black_hole(definitions, black_hole):
    text = textwrap.dedent(f"""
        import labkit, time
        for _ in range(2):
            client = labkit.Client(endpoint={black_hole!r}, definitions={definitions!r})
            client.start("create_order")
        print(time.monotonic())
    """)
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert time.monotonic() - float(done.stdout) < SOON
    assert done.stderr == ""


def test_other_threads_run_while_one_flushes(definitions, black_hole):
    import threading

    client = labkit.Client(endpoint=black_hole, definitions=definitions)
    client.start("create_order")
    waiting = threading.Thread(target=client.flush, args=(0.3,))
    waiting.start()
    turns = 0
    while waiting.is_alive():
        turns += 1
    assert turns > 100
    client.close(0)
