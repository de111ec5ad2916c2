"""A tracker as a process, and checkpoints for it, for the tests in Python."""

import datetime as dt
import json
import os
import pathlib
import secrets
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
BINARY = os.environ.get("LABKIT_TRACKER") or ROOT / "target/release/labkit-tracker"
DEFINITIONS = ROOT / "examples/gitlab/config/user_experience_slis"
# One that is over its threshold at once, and timed out soon after.
HASTY = """\
description: A member moves a card on a board, and everybody else sees it there.
feature_category: team_planning
urgency: custom
apdex_threshold_s: 0.05
ttl_s: 1
slo: {apdex_pct: 90, error_pct: 10}
"""
# How long anything may take that comes about by itself, on a slow machine, too.
PATIENCE_S = 60
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Tracker:
    """One tracker on a free port; used as a context, it is gone afterwards."""

    def __init__(self, *, config=None):
        self._process = None
        self._home = tempfile.TemporaryDirectory(prefix="labkit-tracker-")
        self.home = pathlib.Path(self._home.name)
        definitions = self.home / "definitions"
        definitions.mkdir()
        for file in DEFINITIONS.glob("*.yml"):
            (definitions / file.name).write_bytes(file.read_bytes())
        (definitions / "move_card.yml").write_text(HASTY)
        self._flags = ["--definitions", definitions]
        if config:
            (self.home / "tracker.toml").write_text(config)
            self._flags += ["--config", self.home / "tracker.toml"]
        else:
            self._flags += ["--insecure-no-auth"]
        self.key = None
        try:
            self.start("127.0.0.1:0")
        except BaseException:
            self.close()
            raise

    def start(self, listen):
        """Starts it, on the port that it had if it is not the first time."""
        port_file = self.home / "address"
        port_file.unlink(missing_ok=True)
        command = [BINARY, "serve", "--listen", listen, "--port-file", port_file]
        store = ["--store", f"embedded:{self.home}/state.redb"]
        with (self.home / "stderr").open("wb") as said:
            self._process = subprocess.Popen(
                [*command, *store, *self._flags], stdout=subprocess.DEVNULL, stderr=said
            )
        deadline = time.monotonic() + PATIENCE_S
        while not port_file.exists():
            assert self._process.poll() is None, (self.home / "stderr").read_text()
            assert time.monotonic() < deadline, "the tracker does not listen"
            time.sleep(0.02)  # between two looks
        self.address = port_file.read_text().strip()
        self.url = f"http://{self.address}"

    def stop(self):
        """Stops it; what it knows is on disk."""
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it, and removes what it has written."""
        if self._process:
            self._process.kill()
            self._process.wait()
        self._home.cleanup()

    def request(self, path, body=None):
        """The answer to a request, as text."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.read().decode()

    def send(self, *checkpoints):
        """Sends a batch, of which each must be taken in."""
        batch = {"sent_at": iso(now_ms()), "checkpoints": checkpoints}
        answer = json.loads(self.request("/v1/checkpoints", batch))
        assert not answer["rejected"], answer["rejected"]


def now_ms():
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso(millis):
    """A point in time as it travels."""
    at = dt.datetime.fromtimestamp(millis / 1000, dt.timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ulid(millis):
    """An id of that time."""
    bits = millis << 80 | secrets.randbits(80)
    return "".join(DIGITS[bits >> shift & 31] for shift in range(125, -1, -5))


def checkpoint(experience, correlation_id, kind, *, ago_ms=0, **fields):
    """A checkpoint that was recorded so long ago."""
    at = now_ms() - ago_ms
    return {
        "correlation_id": correlation_id,
        "user_experience_id": experience,
        "checkpoint": kind,
        "type": "web",
        "feature_category": "team_planning",
        "urgency": "custom",
        "client_timestamp": iso(at),
        "id": ulid(at),
        **fields,
    }
