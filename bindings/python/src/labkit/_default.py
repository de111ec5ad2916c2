"""The process's default client, and the functions that use it."""

from __future__ import annotations

from labkit._block import Block
from labkit._client import Client
from labkit._experience import null
from labkit._problems import UNCONFIGURED

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Mapping
    from typing import Any

    from labkit._experience import Experience


class _Default:
    __slots__ = ("client",)

    def __init__(self) -> None:
        self.client: Client | None = None


default = _Default()
_NULL = null()


def configure(
    *,
    endpoint: str | None = None,
    definitions: str | os.PathLike[str] | None = None,
    type: str | None = None,
    token: str | None = None,
    strict: bool | None = None,
    transport: str = "http",
    non_local_exit: str = "handled",
    **more: Any,
) -> Client:
    """Make the client that the functions of this package use, and return it.

    Call it once, at boot; before a server forks is fine. Reads the definitions;
    sends nothing and starts no thread. A second call replaces the first
    client, which gets half a second to send what it has.

    Args:
        endpoint: the tracker, "http://host:port"; else LABKIT_ENDPOINT.
        definitions: the directory of definition files; else LABKIT_DEFINITIONS.
        type: this service, `^[a-z0-9_-]{1,64}$`; else LABKIT_TYPE, else "web".
        token: bearer token; else LABKIT_TOKEN, else none.
        strict: development and test: mistakes raise; else LABKIT_STRICT
            ("1", "true", "yes", "on"), else False: they are logged and counted.
        transport: "memory" sends nothing; see `labkit.testing`.
        non_local_exit: what leaving a block by GeneratorExit means, "handled" or "error".
        **more: any other key of the library's configuration, such as
            `batch_age_ms` or `spool_dir`; include/labkit.h has the list.

    Raises:
        ConfigurationError: also without `strict`; names the key.

    """
    client = Client(
        endpoint=endpoint,
        definitions=definitions,
        type=type,
        token=token,
        strict=strict,
        transport=transport,
        non_local_exit=non_local_exit,
        **more,
    )
    previous, default.client = default.client, client
    if previous is not None:
        previous.close()
    return client


def _configured(call: str) -> Client | None:
    if default.client is None:
        UNCONFIGURED.log(call, f"labkit: {call}: labkit.configure() was not called")
    return default.client


def start(id: str, /, *, correlation_id: str | None = None, **meta: Any) -> Experience:
    """Start an experience in the current context, and record that.

    One of this id that is already active here is discarded, reason `restarted`.

    Args:
        id: its definition's file name, without `.yml`.
        correlation_id: a ULID or 32 hex digits; a fresh one by default.
        **meta: further fields, scalars; 32 keys and 4 KiB at most.

    Returns:
        The experience; one that does nothing if no definition has this id.

    Raises:
        LabkitError: strict only: unknown id, bad correlation id, bad meta.

    """
    client = default.client
    if client is None:
        _configured("start")
        return _NULL
    return client._begin(id, correlation_id, meta, False)  # noqa: SLF001 - one call less on the hot path


def experience(id: str, /, *, correlation_id: str | None = None, **meta: Any) -> Block:
    """Return an experience that lasts as long as a block, or a function's call.

    For `with`, `async with`, and as a decorator; arguments as for `start`. The
    block always runs, and what it returns or raises goes on unchanged. Left by
    an exception it is an error with the exception's message; by
    asyncio.CancelledError handled, `cancelled`; by GeneratorExit handled,
    `non_local_exit`; by KeyboardInterrupt or SystemExit nothing is sent, and
    the tracker sees a lost end. However it is left, its end carries `meta`, too.
    """
    return Block(_begin, id, correlation_id, meta)


def _begin(
    id: str, correlation_id: str | None, meta: Mapping[str, Any], is_block: bool
) -> Experience:
    # A decorator is made when its module is imported, before configure().
    client = default.client
    if client is None:
        _configured("experience")
        return _NULL
    return client._begin(id, correlation_id, meta, is_block)  # noqa: SLF001 - one call less on the hot path


def current(id: str, /) -> Experience:
    """Return the active experience of `id` in the current context.

    If there is none: one that never started, on which every call does nothing.
    """
    client = _configured("current")
    return _NULL if client is None else client.current(id)


def resume(
    id: str,
    carrier: str | bytes | Mapping[str, Any] | None,
    /,
    *,
    job: str | None = None,
    category: str | None = None,
    **meta: Any,
) -> Experience:
    """Continue what a carrier brought, in the current context, and record that.

    As a context manager it ends with its block.

    Args:
        id: its definition's id; the carrier may hold others, too.
        carrier: JSON text or the object; at most 4 KiB.
        job: the job's own id, for carriers that have only a start time.
        category: what happened; "resume" by default.
        **meta: as for `start`.

    Returns:
        The experience; one that does nothing if the carrier has none of this id.

    Raises:
        LabkitError: strict only: unknown id, carrier that cannot be read, bad meta.

    """
    client = _configured("resume")
    if client is None:
        return _NULL
    return client.resume(id, carrier, job=job, category=category, **meta)


def carrier() -> str:
    """Return the JSON text that takes all that is active here to another process.

    `{}` if nothing is. What would not fit a header of 4 KiB is left out.
    """
    client = _configured("carrier")
    return "{}" if client is None else client.carrier()


def observed(
    id: str,
    /,
    *,
    start_time: dt.datetime | float,
    outcome: str = "success",
    reason: object = None,
    correlation_id: str | None = None,
    **meta: Any,
) -> None:
    """Record start and end of something that is already over.

    Args:
        id: its definition's id.
        start_time: seconds since the Unix epoch, or a datetime (one without a
            zone is local time); later than now counts as now.
        outcome: "success", "error", "handled" or "discarded".
        reason: why, where it is no success: text, or an exception.
        correlation_id: as for `start`.
        **meta: as for `start`.

    Raises:
        LabkitError: strict only.

    """
    client = _configured("observed")
    if client is not None:
        client.observed(
            id,
            start_time=start_time,
            outcome=outcome,
            reason=reason,
            correlation_id=correlation_id,
            **meta,
        )


def record(payload: str | bytes | Mapping[str, Any], /) -> None:
    """Record a whole payload of the wire format, for callers with a life cycle of their own.

    Raises:
        CheckpointError: strict only; otherwise what is wrong is logged, and nothing recorded.

    """
    client = _configured("record")
    if client is not None:
        client.record(payload)


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until all that was recorded before is acknowledged, rejected, or dropped.

    Waits `timeout_s` seconds at most, also against a server that never answers;
    other threads run meanwhile. Returns whether all is settled.
    """
    client = default.client
    return True if client is None else client.flush(timeout_s)


def shutdown(timeout_s: float = 0.5) -> bool:
    """Stop recording and send what is there, within `timeout_s` seconds and a little.

    Returns whether nothing had to be dropped. Done at the process's exit anyway.
    """
    client = default.client
    return True if client is None else client.shutdown(timeout_s)


def stats() -> dict[str, int]:
    """Return the ledger of this process, by the names of the library's `labkit_stats`.

    Whenever nothing is in progress, recorded = acknowledged + rejected + queued
    + dropped. Empty before `configure()`.
    """
    client = default.client
    return {} if client is None else client.stats()


__all__ = [
    "carrier",
    "configure",
    "current",
    "default",
    "experience",
    "flush",
    "observed",
    "record",
    "resume",
    "shutdown",
    "start",
    "stats",
]
