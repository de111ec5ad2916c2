"""The real parts around a test: the tracker, servers, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent
ROOT = PACKAGE.parents[1]
APPS = HERE / "apps"
DEFINITIONS = HERE / "definitions"
TRACKER = ROOT / "target" / "release" / "labkit-tracker"
# Linked against glibc 2.17's symbols: see build-wheel.
OLD_LIBRARY = ROOT / "target/manylinux/x86_64-unknown-linux-gnu/ship/liblabkit.so"
LIBRARY = os.environ.get("LABKIT_LIBRARY", str(ROOT / "target" / "lib" / "liblabkit.so.0"))

WAIT_S = 20.0
"""Longer than anything here takes on a busy machine; nothing waits for it to pass."""

_ENDS = frozenset(("success", "failure", "discarded"))


def until(condition, what):
    """Return what `condition` returns as soon as that is true."""
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what()}"
        time.sleep(0.01)
    return found


class Tracker:
    """A tracker process on a free port, and what it says of what arrived."""

    def __init__(self, directory, definitions=DEFINITIONS, log=None):
        assert TRACKER.is_file(), f"{TRACKER} is missing: run make tracker"
        self._log = directory / "events"
        port_file = directory / "port"
        with (log or self._log).open("wb") as events, (directory / "tracker").open("wb") as said:
            self._process = subprocess.Popen(
                [
                    *(TRACKER, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file),
                    *("--insecure-no-auth", "--store", "memory", "--definitions", definitions),
                ],
                stdout=events,
                stderr=said,
            )
        address = until(
            lambda: port_file.is_file() and port_file.read_text(encoding="utf-8").strip(),
            (directory / "tracker").read_text,
        )
        self.url = f"http://{address}"

    def close(self):
        self._process.terminate()
        assert self._process.wait(WAIT_S) == 0

    @contextlib.contextmanager
    def away(self):
        """Accept, but answer nothing, as long as the block lasts."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def events(self):
        """Return each whole line of the event log."""
        text = self._log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def ends(self):
        return [event for event in self.events() if event["event"] in _ENDS]

    def metric(self, path, name):
        """Return the series of a metric: values by the text of their labels."""
        with urllib.request.urlopen(self.url + path, timeout=WAIT_S) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:{{(.*)}})? (\d+)$", text, re.MULTILINE)
        return {labels: int(value) for labels, value in found}

    def outcomes(self, count):
        """Wait for `count` ends; return how many experiences ended how, by id.

        Every experience that was seen at all has ended exactly once, the
        counters say the same as the log, and nothing odd was noticed.
        """
        until(lambda: len(self.ends()) >= count, lambda: f"{count} ends, have {len(self.ends())}")
        ends, seen = self.ends(), self.events()
        times_ended = Counter(event["correlation_id"] for event in ends)
        assert {event["correlation_id"] for event in seen} == set(times_ended)
        assert set(times_ended.values()) == {1}
        assert [event for event in seen if event["event"] in ("anomaly", "late_end")] == []
        found = Counter((event["user_experience_id"], event["outcome"]) for event in ends)
        assert self._counted() == found
        return dict(found)

    def _counted(self):
        series = self.metric("/metrics/sli", "labkit_user_experience_outcome_total")
        counted = Counter()
        for labels, value in series.items():
            named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            counted[named["user_experience_id"], named["outcome"]] += value
        return +counted

    def accepted(self):
        """Return how many checkpoints arrived, none of them twice or in vain."""
        by = self.metric("/metrics", "labkit_tracker_checkpoints_total")
        assert by['disposition="duplicate"'] == 0
        assert (
            sum(self.metric("/metrics", "labkit_tracker_checkpoints_rejected_total").values()) == 0
        )
        return by['disposition="accepted"']


class Ledgers:
    """What each process wrote of itself as it left; see apps/ledger.py."""

    def __init__(self, directory):
        self.directory = directory

    def wait(self, count):
        until(
            lambda: len(list(self.directory.glob("*.json"))) >= count,
            lambda: f"{count} ledgers, have {list(self.directory.iterdir())}",
        )

    def add_up(self):
        """Check each; return how many checkpoints all of them have sent."""
        ledgers = [json.loads(p.read_text(encoding="utf-8")) for p in self.directory.glob("*.json")]
        for ledger in ledgers:
            settled = ledger["acknowledged"] + ledger["rejected"] + ledger["dropped"]
            assert ledger["recorded"] == settled + ledger["queued"], ledger
            assert (ledger["queued"], ledger["dropped"], ledger["rejected"]) == (0, 0, 0), ledger
        return sum(ledger["acknowledged"] for ledger in ledgers)

    def dropped(self):
        """Check that each balances; return how much was dropped, and for what reason."""
        total = Counter()
        for path in self.directory.glob("*.json"):
            ledger = json.loads(path.read_text(encoding="utf-8"))
            settled = ledger["acknowledged"] + ledger["rejected"] + ledger["dropped"]
            assert ledger["recorded"] == settled + ledger["queued"], ledger
            total.update({k: v for k, v in ledger.items() if k.startswith("dropped_") and v})
        return dict(total)


def environment(tracker, ledgers, **more):
    """Return the environment of a process that records."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(PACKAGE / "src"), str(APPS))),
        "LABKIT_LIBRARY": LIBRARY,
        "LABKIT_ENDPOINT": tracker.url,
        "LABKIT_DEFINITIONS": str(DEFINITIONS),
        "LEDGERS": str(ledgers.directory),
        **more,
    }


def run(command, env, **more):
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=3 * WAIT_S, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def serving(command, env, ready, directory, leaves_with=(0,), python=sys.executable):
    """Run a module as a server as long as the block lasts; a program, if `python` is None.

    Yields the first group of `ready` in what it prints. The server is then asked
    to stop, does so within WAIT_S, and leaves with one of `leaves_with`.
    """
    interpreter = [] if python is None else [python, "-W", "ignore:This process", "-m"]
    said = directory / "server"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*interpreter, *command],
            env={**env, "PYTHONUNBUFFERED": "1"},
            cwd=directory,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def found():
        assert process.poll() is None, said.read_text(encoding="utf-8")
        return re.search(ready, said.read_text(encoding="utf-8"))

    try:
        yield until(found, lambda: said.read_text(encoding="utf-8"))[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) in leaves_with, said.read_text(encoding="utf-8")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT_S)


def build_wheel(library, directory):
    """Return the wheel around a library."""
    assert library.is_file(), f"{library} is missing: run make wheel"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", directory, PACKAGE]
    run(command, {**os.environ, "LABKIT_LIBRARY": str(library)})
    (wheel,) = directory.glob("*.whl")
    return wheel


def readme_blocks():
    """Return language and text of each block of code in the README."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def ask(url, method="POST", headers=None):
    """Return status and text of the answer to a request."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode()
