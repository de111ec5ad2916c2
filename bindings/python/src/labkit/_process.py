"""The process: what is done after a fork and at its exit."""

from __future__ import annotations

import atexit
import os
import sys
import time

from labkit import _guard, _native

EXIT_S = 0.5
"""What an exiting process waits for its last checkpoints, in seconds, for all
clients together."""

_open: dict[int, None] = {}


class _Process:
    __slots__ = ("is_registered",)

    def __init__(self) -> None:
        self.is_registered = False


this = _Process()


def opened(handle: int) -> None:
    """Remember a client that has to be shut down when the process exits."""
    _open[handle] = None
    if not this.is_registered:
        this.is_registered = True
        atexit.register(at_exit)
        _leave_with_multiprocessing()


def closed(handle: int) -> None:
    """Forget a client."""
    _open.pop(handle, None)


def at_exit() -> None:
    """Shut down what is open. Never raises, never takes longer than EXIT_S and a bit."""
    until = time.monotonic() + EXIT_S
    try:
        for handle in tuple(_open):
            left_s = max(until - time.monotonic(), 0.0)
            _native.client_shutdown(handle, int(left_s * 1000))
    except (Exception, KeyboardInterrupt):
        pass


def _in_child() -> None:
    _guard.renew()
    _leave_with_multiprocessing()


def _leave_with_multiprocessing() -> None:
    """Be called when a child of multiprocessing's leaves.

    Forked ones, be it from a server of forks, leave by os._exit, past atexit,
    but run multiprocessing's own finalizers. It clears those when a child
    begins, which is after a fork, and after the main module was imported; then
    it calls what was registered here.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return
    util.register_after_fork(_native, _finalize_at_exit)
    if sys.modules["multiprocessing.process"].parent_process() is not None:  # it has begun
        _finalize_at_exit(None)


def _finalize_at_exit(_: object) -> None:
    util = sys.modules["multiprocessing.util"]
    util.Finalize(None, at_exit, exitpriority=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
