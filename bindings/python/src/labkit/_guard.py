"""One thread at a time per experience, where no GIL sees to it.

With the GIL a call into the library is one step, so nothing here is used. In a
free-threaded interpreter two threads could be inside the same experience,
which the library forbids. A lock for each would cost more than the call it
guards; a few dozen shared ones cost a call 60 ns and hardly ever meet.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_COUNT = 64
_locks = [allocate_lock() for _ in range(_COUNT)]


def is_needed() -> bool:
    """Whether this interpreter runs without the GIL."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is not None and not enabled()


def renew() -> None:
    """Forget locks that a thread held which a fork did not copy."""
    _locks[:] = [allocate_lock() for _ in range(_COUNT)]


def one_at_a_time(function: Callable[..., int]) -> Callable[..., int]:
    """Return `function`, whose first argument no two threads use at once."""

    def guarded(experience: object, *rest: object) -> int:
        # An experience keeps one reference object for life; its address
        # stands for the experience.
        with _locks[(id(experience) >> 4) % _COUNT]:
            return function(experience, *rest)

    return guarded
