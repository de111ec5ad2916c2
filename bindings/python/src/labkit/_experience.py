"""One run of a user experience."""

from __future__ import annotations

import sys

from labkit import _native
from labkit._context import NOTHING
from labkit._context import active as active_here
from labkit._meta import encode
from labkit._native import NAMES, NONE, SIZES, text
from labkit._problems import UNCONFIGURED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import _CArgObject as Reference
    from types import TracebackType
    from typing import Any

    from labkit._context import Definition
    from labkit._problems import Problems

_CARRIER_BYTES = 256  # the header: a carrier takes no more
_INFO_BYTES = 1024

_checkpoint = _native.experience_checkpoint
_complete = _native.experience_complete
_leave = _native.experience_leave_with
_EXIT_NORMAL = _native.EXIT_NORMAL


class Experience:
    """One run of a user experience.

    Its calls never wait, and return it, so that they can be chained. On one
    that never started, or is over, they do nothing: workers serve many paths
    and only some start one. As a context manager it ends with its block.

    Belongs to one thread at a time; with or without the GIL, two threads that
    use it at once harm nothing but the order of its checkpoints.
    """

    __slots__ = ("_definition", "_given", "_is_block", "_outer", "_problems", "_ref")

    def __init__(
        self,
        definition: Definition | None,
        problems: Problems,
        ref: Reference,
        outer: Experience | None,
        is_block: bool,
        given: bytes | None = None,
    ) -> None:
        self._definition = definition
        self._problems = problems
        self._ref = ref
        self._outer = outer  # what comes back into the context when this one ends
        self._is_block = is_block
        self._given = given  # meta of its start, for the end of its block

    # --- what happens to it ----------------------------------------------------

    def checkpoint(self, /, category: str | None = None, **meta: Any) -> Experience:
        """Record that it proceeds.

        Args:
            category: what happened, `^[a-z0-9_]{1,64}$`.
            **meta: further fields, scalars; 32 keys and 4 KiB at most.

        Raises:
            ArgumentError: strict only, category or meta is wrong.

        """
        name: bytes | None
        if type(category) is str:
            name, size = NAMES[category]
        elif category is None:
            name, size = None, NONE
        else:
            name = text(category)
            size = SIZES[len(name)]
        if meta:
            data = encode(meta)
            status = _checkpoint(self._ref, name, size, data, SIZES[len(data)])
        else:
            status = _checkpoint(self._ref, name, size, None, NONE)
        if status:
            self._problems.report(status, "checkpoint", self.id)
        return self

    def error(self, reason: object = "", /) -> Experience:
        """Mark it as failed: its end will say so. Records nothing by itself.

        `reason` is an exception, whose message it is, or text; 256 bytes are kept.
        """
        data = reason_of(reason)
        status = _native.experience_error(self._ref, data, SIZES[len(data)])
        if status:
            self._problems.report(status, "error", self.id)
        return self

    def handled(self, reason: object = "", /) -> Experience:
        """Mark the end to come as expected, no failure of ours: a merge conflict, say.

        An error marked before stands. Records nothing by itself.
        """
        data = reason_of(reason)
        status = _native.experience_handled(self._ref, data, SIZES[len(data)])
        if status:
            self._problems.report(status, "handled", self.id)
        return self

    def complete(self, /, **meta: Any) -> Experience:
        """Record its end, with the outcome that was marked, or success.

        Raises:
            ArgumentError: strict only, meta is wrong; it is still active.

        """
        if meta:
            data = encode(meta)
            status = _complete(self._ref, data, SIZES[len(data)])
        else:
            status = _complete(self._ref, None, NONE)
        if status:
            self._problems.report(status, "complete", self.id)
        self._withdraw()
        return self

    def discard(self, reason: object = "", /, **meta: Any) -> Experience:
        """End it as one that turned out not to be an experience: it counts nowhere."""
        why = reason_of(reason)
        data = encode(meta) if meta else None
        status = _native.experience_discard(
            self._ref, why, SIZES[len(why)], data, SIZES[len(data)] if data else NONE
        )
        if status:
            self._problems.report(status, "discard", self.id)
        self._withdraw()
        return self

    def carrier(self) -> str:
        """Return the JSON text that takes it to another process; `{}` if it is not active."""
        status, data = _native.read(_native.experience_carrier, self._ref, _CARRIER_BYTES)
        if status:
            self._problems.report(status, "carrier", self.id)
            return "{}"
        return data.decode()

    # --- what it is ------------------------------------------------------------

    @property
    def id(self) -> str:
        """Its definition's id; empty for one that never started."""
        return self._definition.id if self._definition is not None else ""

    @property
    def active(self) -> bool:
        """Whether it has started and not ended."""
        return bool(_native.experience_is_active(self._ref))

    @property
    def correlation_id(self) -> str | None:
        """Its unique identifier, a ULID or 32 hex digits; None if it never started."""
        status, data = _native.read(_native.experience_info, self._ref, _INFO_BYTES)
        if status:
            return None
        import json

        return str(json.loads(data)["correlation_id"])

    def __repr__(self) -> str:
        state = "active" if self.active else "inactive"
        return f"<labkit.Experience {self.id or 'null'} {state}>"

    # --- as a block ------------------------------------------------------------

    def __enter__(self) -> Experience:
        self._is_block = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        given = self._given
        size = SIZES[len(given)] if given else NONE
        if error is None:
            status = _leave(self._ref, _EXIT_NORMAL, None, NONE, given, size)
        else:
            why = reason_of(error)
            status = _leave(self._ref, exit_of(error), why, SIZES[len(why)], given, size)
        if status:
            # Noted, not reported: the block's own result or exception goes on.
            self._problems.note(status, "end", self.id)
        self._withdraw()

    async def __aenter__(self) -> Experience:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _withdraw(self) -> None:
        """Leave the context, if it is still there, to the one it hid."""
        definition = self._definition
        here = active_here.get()
        if here.get(definition) is not self:  # type: ignore[arg-type] # None is no key, and not found
            return
        if self._outer is not None:
            active_here.set({**here, definition: self._outer})  # type: ignore[dict-item] # as above
        elif len(here) == 1:
            active_here.set(NOTHING)
        else:
            active_here.set({d: xp for d, xp in here.items() if xp is not self})


def exit_of(error: BaseException) -> int:
    """Return how a block was left, as the library counts exits."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return _native.EXIT_ABANDONED
    if isinstance(error, GeneratorExit):
        return _native.EXIT_NON_LOCAL
    # Who has not imported asyncio cannot have been cancelled by it.
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(error, asyncio.CancelledError):
        return _native.EXIT_CANCELLED
    return _native.EXIT_ERROR


def reason_of(reason: object) -> bytes:
    """Return the text of a reason; an exception without a message has its class's name."""
    if reason is None:
        return b""
    data = text(reason)
    if not data and isinstance(reason, BaseException):
        return text(type(reason).__name__)
    return data


def null(problems: Problems = UNCONFIGURED) -> Experience:
    """Return one that never started: every call on it does nothing."""
    return Experience(None, problems, _NULL, None, is_block=False)


# Nobody writes to it: the library changes only what it started.
_NULL = _native.new_experience()
