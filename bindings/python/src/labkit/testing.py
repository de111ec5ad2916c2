"""For tests: what would have been sent, under a clock and ids that stand still.

with labkit.testing.recording("config/user_experience_slis") as recorder:
    sign_in(user)
    start, end = recorder.checkpoints()
    assert end["outcome"] == "success"
"""

from __future__ import annotations

import contextlib
import json

from labkit import _native
from labkit._client import Client
from labkit._clock import millis
from labkit._context import isolate
from labkit._default import default

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterator
    from typing import Any

_TAKE_BYTES = 64 * 1024


class Recorder:
    """A client that sends nothing, and what it would have sent."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client, for tests that pass one."""
        self._now_ms = 0

    def lines(self) -> list[bytes]:
        """Take each checkpoint since the last call as the bytes that would have travelled."""
        taken = self._read()
        return taken.splitlines()

    def checkpoints(self) -> list[dict[str, Any]]:
        """Take each checkpoint since the last call, in order."""
        return [json.loads(line) for line in self.lines()]

    def set_clock(self, now: dt.datetime | float) -> None:
        """Stop the clock at a datetime, or at seconds since the Unix epoch."""
        self._now_ms = millis(now)
        self._tell_time()

    def advance(self, seconds: float) -> None:
        """Move the clock, which `set_clock` has stopped."""
        self._now_ms += round(seconds * 1000)
        self._tell_time()

    def seed_ids(self, seed: int) -> None:
        """From now on ids are the clock's time and `seed`, `seed + 1`, and so on."""
        self._check(_native.test_seed_ids(self._handle, seed), "seed_ids")

    @property
    def _handle(self) -> int:
        return self.client._handle  # noqa: SLF001 - friends: only tests do this to a client

    def _tell_time(self) -> None:
        self._check(_native.test_set_clock(self._handle, self._now_ms), "set_clock")

    def _read(self) -> bytes:
        status, data = _native.read(_native.test_take, self._handle, _TAKE_BYTES)
        self._check(status, "take")
        return data

    def _check(self, status: int, call: str) -> None:
        self.client._problems.report(status, call)  # noqa: SLF001 - as above


@contextlib.contextmanager
def recording(
    definitions: str | os.PathLike[str] | None = None, *, strict: bool = True, **more: Any
) -> Iterator[Recorder]:
    """Make a recording client the package's default one as long as the block lasts.

    What is active outside is not seen inside. Arguments as for
    `labkit.configure`; `strict`, so that mistakes raise.
    """
    client = Client(definitions=definitions, strict=strict, transport="memory", **more)
    previous, default.client = default.client, client
    try:
        with isolate():
            yield Recorder(client)
    finally:
        default.client = previous
        client.close(0.0)
