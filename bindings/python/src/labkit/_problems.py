"""What becomes of a problem: an error where strict, else a line in the log.

The logger is called `labkit`. It says the first problem of each kind, then
nothing of that kind for a minute, so that a broken call site in a hot loop
costs one line a minute. Without a handler of the host's nothing is printed.
"""

from __future__ import annotations

import sys
import time

from labkit import _errors, _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

QUIET_S = 60.0
_LOG_BYTES = 16 * 1024  # 64 lines, the most the library keeps, seldom take more
_NORMAL = frozenset(_errors.CODES[s] for s in ("ok", "not_started", "over", "not_in_carrier"))


def _logger() -> logging.Logger:
    import logging

    logger = logging.getLogger("labkit")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else the last resort prints to stderr
    return logger


class Problems:
    """Where the calls of one client report to.

    `clock` returns seconds; tests give their own.
    """

    __slots__ = ("_next", "clock", "handle", "strict")

    def __init__(
        self, *, strict: bool, handle: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.strict = strict
        self.handle = handle
        self.clock = clock
        self._next: dict[str, float] = {}

    def report(self, code: int, call: str, about: object = "") -> None:
        """Handle what a call was answered with.

        Raises:
            LabkitError: strict, and it is a mistake of the caller's.

        """
        if code in _NORMAL:
            return
        if self.strict and _errors.is_mistake(code):
            raise _errors.error_of(code, _sentence(code, call, about))
        self.note(code, call, about)

    def note(self, code: int, call: str, about: object = "") -> None:
        """Log what a call was answered with; never raises."""
        if code not in _NORMAL and self._is_due(f"{call} {code}"):
            self._write(_sentence(code, call, about))
            self.drain()

    def log(self, kind: str, message: str) -> None:
        """Log a message, unless one of its kind was logged within a minute."""
        if self._is_due(kind):
            self._write(message)
            self.drain()

    def tend(self) -> None:
        """Log the library's own messages, at most once a minute."""
        if self._is_due("tend"):
            self.drain()

    def drain(self) -> None:
        """Log the library's own messages since the last time."""
        if not self.handle:
            return
        status, lines = _native.read(_native.client_drain_log, self.handle, _LOG_BYTES)
        if status == 0:
            for line in lines.decode(errors="replace").splitlines():
                self._write(line)

    def _is_due(self, kind: str) -> bool:
        now = self.clock()
        if now < self._next.get(kind, now):
            return False
        self._next[kind] = now + QUIET_S
        return True

    def _write(self, message: str) -> None:
        if sys.is_finalizing():
            return
        try:
            _logger().warning("%s", message)
        except Exception:  # a handler of the host's; telemetry must not make it worse
            pass


def _sentence(code: int, call: str, about: object) -> str:
    name = _native.text(about).decode(errors="replace")
    subject = f" of {name}" if name else ""
    return f"labkit: {call}{subject}: {_native.status_message(code)}"


UNCONFIGURED = Problems(strict=False)
"""For calls before `labkit.configure()`."""
