"""The client: definitions, settings, and the calls that begin something."""

from __future__ import annotations

import ctypes
import time
from ctypes import c_uint64

from labkit import _carrier, _native, _process
from labkit._block import Block
from labkit._clock import millis
from labkit._config import document
from labkit._context import Definition, request_id
from labkit._context import active as active_here
from labkit._errors import CODES, error_of
from labkit._experience import Experience, null, reason_of
from labkit._meta import encode
from labkit._native import NONE, SIZES, labkit_experience, text
from labkit._problems import Problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Mapping
    from typing import Any

_ERROR_BYTES = 1024
_NO_OUTCOME = 0xFFFF_FFFF  # the library's to refuse
_SLICE_S = 0.2  # how long a signal, Ctrl-C say, waits for a flush
_LAST_S = 0.5  # for a shutdown's own attempt, which cannot be interrupted

_start = _native.experience_start
_byref = ctypes.byref


class Client:
    """Records user experiences. Every method may be called from every thread at once.

    `labkit.configure()` makes the one that the functions of the package use;
    make others where a process has several trackers, or none. The arguments
    are those of `labkit.configure()`.

    Nothing is sent and no thread started before the first record. A fork child
    may go on using it; what it records goes out under its own identity.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        definitions: str | os.PathLike[str] | None = None,
        type: str | None = None,
        token: str | None = None,
        strict: bool | None = None,
        **more: Any,
    ) -> None:
        config = document(endpoint, definitions, type, token, strict, more)
        data = encode(config)
        why = ctypes.create_string_buffer(_ERROR_BYTES)
        handle = c_uint64(0)
        status = _native.client_new(data, len(data), why, _ERROR_BYTES, _byref(handle))
        if status:
            reason = why.value.decode(errors="replace") or _native.status_message(status)
            raise error_of(status, f"labkit: {reason}")
        self._handle = handle.value
        self._c_handle = handle  # as the hot calls take it
        self._problems = Problems(strict=bool(config["strict"]), handle=handle.value)
        self._definitions: dict[str, Definition] = {}
        self._null = null(self._problems)
        _process.opened(self._handle)
        self._problems.drain()

    # --- experiences -----------------------------------------------------------

    def start(self, id: str, /, *, correlation_id: str | None = None, **meta: Any) -> Experience:
        """Start an experience; see `labkit.start`."""
        return self._begin(id, correlation_id, meta, False)

    def experience(self, id: str, /, *, correlation_id: str | None = None, **meta: Any) -> Block:
        """Return the block form; see `labkit.experience`."""
        return Block(self._begin, id, correlation_id, meta)

    def current(self, id: str, /) -> Experience:
        """Return the active experience of `id` here; see `labkit.current`."""
        definition = self._definition(id, "current")
        here = active_here.get()
        if definition is not None and definition in here:
            return here[definition]
        return self._null

    def resume(
        self,
        id: str,
        carrier: str | bytes | Mapping[str, Any] | None,
        /,
        *,
        job: str | None = None,
        category: str | None = None,
        **meta: Any,
    ) -> Experience:
        """Continue what a carrier brought; see `labkit.resume`."""
        definition = self._definition(id, "resume")
        if definition is None:
            return self._null
        brought = _carrier.as_bytes(carrier)
        work = b"" if job is None else text(job)
        name = None if category is None else text(category)
        data = _encoded(meta)
        ref = _native.new_experience()
        status = _native.experience_resume(
            self._handle,
            definition.index,
            *(brought, len(brought)),
            *(work, len(work)),
            *(name, len(name) if name else 0),
            *(data, len(data) if data else 0),
            ref,
        )
        if status:
            self._problems.report(status, "resume", id)
            if not _has_begun(status):
                return self._null
        here = active_here.get()
        outer = here.get(definition)
        if outer is not None and not outer._is_block:  # noqa: SLF001 - friends: neither makes sense alone
            outer = outer._outer  # noqa: SLF001 - or each resume in a long-lived thread would keep the last
        resumed = Experience(definition, self._problems, ref, outer, False, data)
        active_here.set({**here, definition: resumed})
        return resumed

    def carrier(self) -> str:
        """Return the carrier of all that is active here; see `labkit.carrier`."""
        return _carrier.merged(
            xp.carrier() for d, xp in active_here.get().items() if d.handle == self._handle
        )

    def observed(
        self,
        id: str,
        /,
        *,
        start_time: dt.datetime | float,
        outcome: str = "success",
        reason: object = None,
        correlation_id: str | None = None,
        **meta: Any,
    ) -> None:
        """Record something that is already over; see `labkit.observed`."""
        definition = self._definition(id, "observed")
        if definition is None:
            return
        try:
            start_ms = millis(start_time)
        except (AttributeError, TypeError, ValueError, OverflowError):
            self._problems.report(CODES["invalid_argument"], "observed", f"{id} (start_time)")
            return
        given = None if correlation_id is None else text(correlation_id)
        why = None if reason is None else reason_of(reason)
        data = _encoded(meta)
        status = _native.observed(
            self._handle,
            definition.index,
            *(given, len(given) if given else 0),
            start_ms,
            _native.OUTCOMES.get(outcome, _NO_OUTCOME) if type(outcome) is str else _NO_OUTCOME,
            *(why, len(why) if why else 0),
            *(data, len(data) if data else 0),
        )
        if status:
            self._problems.report(status, "observed", id)

    def record(self, payload: str | bytes | Mapping[str, Any], /) -> None:
        """Record a whole payload of the wire format; see `labkit.record`."""
        data = _carrier.as_bytes(payload)
        status = _native.checkpoint_record(self._handle, data, len(data))
        if status:
            self._problems.report(status, "record")

    def _begin(
        self, id: str, correlation_id: str | None, meta: Mapping[str, Any], is_block: bool
    ) -> Experience:
        definition = self._definitions.get(id) if type(id) is str else None
        if definition is None:
            definition = self._definition(id, "start")
            if definition is None:
                return self._null
        here = active_here.get()
        outer = here.get(definition) if here else None
        if outer is not None and not is_block:
            _native.experience_leave(outer._ref, _native.EXIT_RESTARTED, None, NONE)  # noqa: SLF001 - the same room
            outer = None
        ref = _byref(labkit_experience())
        data = _encoded(meta)
        if correlation_id is None and data is None:
            status = _start(self._c_handle, definition.index, None, NONE, None, NONE, ref)
        else:
            given = None if correlation_id is None else text(correlation_id)
            status = _start(
                self._c_handle,
                definition.index,
                given,
                SIZES[len(given)] if given else NONE,
                data,
                SIZES[len(data)] if data else NONE,
                ref,
            )
        if status:
            self._problems.report(status, "start", id)
            if not _has_begun(status):
                return self._null
        begun = Experience(definition, self._problems, ref, outer, is_block, data)
        active_here.set({**here, definition: begun} if here else {definition: begun})
        return begun

    def _definition(self, id: object, call: str) -> Definition | None:
        if type(id) is str and id in self._definitions:
            return self._definitions[id]
        name = text(id)
        index = ctypes.c_uint32(0)
        status = _native.definition_lookup(self._handle, name, len(name), _byref(index))
        if status:
            self._problems.report(status, call, id)
            return None
        # Two threads may both be here; one's definition becomes the key for all.
        key = name.decode()
        return self._definitions.setdefault(key, Definition(key, index.value, self._handle))

    # --- the client itself -----------------------------------------------------

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was recorded before is settled; see `labkit.flush`."""
        until = time.monotonic() + timeout_s
        while True:  # in slices, for a signal's handler runs only between calls
            left_s = max(until - time.monotonic(), 0.0)
            status = _native.client_flush(self._handle, millis(min(left_s, _SLICE_S)))
            if status != CODES["deadline_exceeded"] or left_s <= _SLICE_S:
                break
        self._problems.drain()
        return self._settled(status, "flush")

    def shutdown(self, timeout_s: float = 0.5) -> bool:
        """Stop recording and send what is there; see `labkit.shutdown`."""
        until = time.monotonic() + timeout_s
        if timeout_s > 2 * _LAST_S:  # a long wait must be open to Ctrl-C
            self.flush(timeout_s - _LAST_S)
        left_s = max(until - time.monotonic(), 0.0)
        status = _native.client_shutdown(self._handle, millis(left_s))
        self._problems.drain()
        return self._settled(status, "shutdown")

    def close(self, timeout_s: float = 0.5) -> bool:
        """Shut down and give the client's memory back. Later calls do nothing."""
        done = self.shutdown(timeout_s)
        _process.closed(self._handle)
        _native.client_free(self._handle)
        self._problems.handle = 0
        return done

    def stats(self) -> dict[str, int]:
        """Return what became of all that was recorded; see `labkit.stats`."""
        ledger = _native.labkit_stats()
        ledger.size = ctypes.sizeof(ledger)
        status = _native.client_stats(self._handle, _byref(ledger))
        if status:
            self._problems.report(status, "stats")
        self._problems.tend()
        return {name: getattr(ledger, name) for name, _ in ledger._fields_[1:]}

    def set_token(self, token: str | None) -> None:
        """From now on requests carry this bearer token; None: none."""
        data = None if token is None else text(token)
        status = _native.client_set_token(self._handle, data, len(data) if data else 0)
        if status:
            self._problems.report(status, "set_token")

    def _settled(self, status: int, call: str) -> bool:
        if status and status != CODES["deadline_exceeded"]:
            self._problems.report(status, call)
        return status == 0


def _encoded(meta: Mapping[str, Any]) -> bytes | None:
    """Return the fields, and the request's own id unless they have it, as JSON."""
    name = request_id.get()
    if name is not None:
        meta = {"request_correlation_id": name, **meta}
    return encode(meta) if meta else None


def _has_begun(status: int) -> bool:
    """Only the checkpoint was dropped; the experience goes on."""
    return status in (CODES["queue_full"], CODES["shut_down"])
