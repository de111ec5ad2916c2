"""The C library: where it is, what its functions take, and how they are called.

Three ways to call, chosen by cost and by what the function does:

- hot ones never block, so they keep the GIL (`PyDLL`), and get no `argtypes`:
  each declared argument costs about 70 ns to convert. `None`, bytes, and
  ctypes objects of the right width are passed as they are; a plain int would
  be passed as a C int, so lengths go through SIZES.
- cold ones keep the GIL, too, and have their arguments checked.
- waiting ones let go of it (`CDLL`).

All declarations stand in SIGNATURES, which the tests compare with the header.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64

from labkit import _guard
from labkit._errors import LibraryError

TYPE_CHECKING = False  # typing costs more to import than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import _CArgObject as Reference

ABI_VERSION = 2
LIBRARY_NAME = "liblabkit.so.0"

BUFFER_TOO_SMALL = 301

EXIT_NORMAL = 0
EXIT_ERROR = 1
EXIT_NON_LOCAL = 2
EXIT_CANCELLED = 3
EXIT_ABANDONED = 4
EXIT_RESTARTED = 5

OUTCOMES = {"success": 0, "error": 1, "handled": 2, "discarded": 3}


class labkit_experience(ctypes.Structure):
    """One run of an experience; zeroed, it is one that never started."""

    _fields_ = (("opaque", c_uint64 * 64),)


class labkit_stats(ctypes.Structure):
    """The ledger, in the header's order."""

    _fields_ = (
        ("size", c_size_t),
        ("recorded", c_uint64),
        ("acknowledged", c_uint64),
        ("rejected", c_uint64),
        ("queued", c_uint64),
        ("dropped", c_uint64),
        ("dropped_queue_full", c_uint64),
        ("dropped_queue_bytes", c_uint64),
        ("dropped_shut_down", c_uint64),
        ("dropped_expired", c_uint64),
        ("dropped_refused", c_uint64),
        ("dropped_too_large", c_uint64),
        ("dropped_worker_lost", c_uint64),
        ("trimmed", c_uint64),
        ("requests", c_uint64),
        ("retries", c_uint64),
        ("worker_restarts", c_uint64),
        ("dropped_spool_full", c_uint64),
        ("dropped_spool_lost", c_uint64),
        ("spooled", c_uint64),
        ("adopted", c_uint64),
        ("adopted_lost", c_uint64),
    )


_XP = POINTER(labkit_experience)
_LEN = POINTER(c_size_t)
_TEXT = (c_char_p, c_size_t)
_OUT = (c_char_p, c_size_t, _LEN)

SIGNATURES: dict[str, tuple[type, tuple[type, ...]]] = {
    "labkit_abi_version": (c_uint32, ()),
    "labkit_version": (c_char_p, ()),
    "labkit_status_message": (c_char_p, (c_int32,)),
    "labkit_client_new": (c_int, (*_TEXT, c_char_p, c_size_t, POINTER(c_uint64))),
    "labkit_client_set_token": (c_int, (c_uint64, *_TEXT)),
    "labkit_client_flush": (c_int, (c_uint64, c_uint64)),
    "labkit_client_shutdown": (c_int, (c_uint64, c_uint64)),
    "labkit_client_free": (c_int, (c_uint64,)),
    "labkit_client_stats": (c_int, (c_uint64, POINTER(labkit_stats))),
    "labkit_client_drain_log": (c_int, (c_uint64, *_OUT)),
    "labkit_definition_lookup": (c_int, (c_uint64, *_TEXT, POINTER(c_uint32))),
    "labkit_experience_start": (c_int, (c_uint64, c_uint32, *_TEXT, *_TEXT, _XP)),
    "labkit_experience_checkpoint": (c_int, (_XP, *_TEXT, *_TEXT)),
    "labkit_experience_error": (c_int, (_XP, *_TEXT)),
    "labkit_experience_handled": (c_int, (_XP, *_TEXT)),
    "labkit_experience_complete": (c_int, (_XP, *_TEXT)),
    "labkit_experience_discard": (c_int, (_XP, *_TEXT, *_TEXT)),
    "labkit_experience_leave": (c_int, (_XP, c_uint32, *_TEXT)),
    "labkit_experience_leave_with": (c_int, (_XP, c_uint32, *_TEXT, *_TEXT)),
    "labkit_experience_is_active": (c_bool, (_XP,)),
    "labkit_experience_info": (c_int, (_XP, *_OUT)),
    "labkit_experience_carrier": (c_int, (_XP, *_OUT)),
    "labkit_experience_resume": (
        c_int,
        (c_uint64, c_uint32, *_TEXT, *_TEXT, *_TEXT, *_TEXT, _XP),
    ),
    "labkit_observed": (
        c_int,
        (c_uint64, c_uint32, *_TEXT, c_int64, c_uint32, *_TEXT, *_TEXT),
    ),
    "labkit_checkpoint_record": (c_int, (c_uint64, *_TEXT)),
    "labkit_test_set_clock": (c_int, (c_uint64, c_int64)),
    "labkit_test_seed_ids": (c_int, (c_uint64, c_uint64)),
    "labkit_test_take": (c_int, (c_uint64, *_OUT)),
}


def _candidates() -> list[str]:
    given = os.environ.get("LABKIT_LIBRARY")
    if given:
        return [given]  # who names one wants that one, or to hear why not
    return [os.path.join(os.path.dirname(__file__), LIBRARY_NAME), LIBRARY_NAME]  # noqa: PTH118, PTH120 - pathlib costs a quarter of the import


def load(candidates: list[str]) -> str:
    """Return the first of `candidates` that loads and speaks our ABI."""
    refusals = []
    for path in candidates:
        try:
            version = ctypes.PyDLL(path).labkit_abi_version()
        except (OSError, AttributeError) as e:
            refusals.append(f"{path}: {e}")
            continue
        if version >= ABI_VERSION:
            return path
        refusals.append(f"{path}: ABI version {version}, this package needs {ABI_VERSION}")
    raise LibraryError(f"{LIBRARY_NAME} cannot be used: " + "; ".join(refusals))


PATH = load(_candidates())
_keeping_gil = ctypes.PyDLL(PATH)
_giving_gil = ctypes.CDLL(PATH)


def _declared(library: ctypes.CDLL, name: str) -> Callable[..., int]:
    function = library[name]
    function.restype, function.argtypes = SIGNATURES[name]
    return function


def _guarded(name: str, function: Callable[..., int]) -> Callable[..., int]:
    takes_experience = SIGNATURES[name][1][:1] == (_XP,)
    if takes_experience and _guard.is_needed():
        return _guard.one_at_a_time(function)
    return function


def _hot(name: str) -> Callable[..., int]:
    function = _keeping_gil[name]
    function.restype = SIGNATURES[name][0]
    return _guarded(name, function)


def _cold(name: str) -> Callable[..., int]:
    return _guarded(name, _declared(_keeping_gil, name))


def _waiting(name: str) -> Callable[..., int]:
    return _declared(_giving_gil, name)


experience_start = _hot("labkit_experience_start")
experience_checkpoint = _hot("labkit_experience_checkpoint")
experience_error = _hot("labkit_experience_error")
experience_handled = _hot("labkit_experience_handled")
experience_complete = _hot("labkit_experience_complete")
experience_discard = _hot("labkit_experience_discard")
experience_leave = _hot("labkit_experience_leave")
experience_leave_with = _hot("labkit_experience_leave_with")
experience_is_active = _hot("labkit_experience_is_active")

client_new = _cold("labkit_client_new")
client_set_token = _cold("labkit_client_set_token")
client_free = _cold("labkit_client_free")
client_stats = _cold("labkit_client_stats")
client_drain_log = _cold("labkit_client_drain_log")
definition_lookup = _cold("labkit_definition_lookup")
experience_info = _cold("labkit_experience_info")
experience_carrier = _cold("labkit_experience_carrier")
experience_resume = _cold("labkit_experience_resume")
observed = _cold("labkit_observed")
checkpoint_record = _cold("labkit_checkpoint_record")
test_set_clock = _cold("labkit_test_set_clock")
test_seed_ids = _cold("labkit_test_seed_ids")

client_flush = _waiting("labkit_client_flush")
client_shutdown = _waiting("labkit_client_shutdown")
test_take = _waiting("labkit_test_take")

_message = _cold("labkit_status_message")
_version = _cold("labkit_version")


class _Sizes(dict[int, c_size_t]):
    """Lengths as wide as C expects them: `SIZES[len(data)]`.

    Nearly every text is short, and an object made once is passed faster.
    """

    def __missing__(self, length: int) -> c_size_t:
        return c_size_t(length)


SIZES = _Sizes((length, c_size_t(length)) for length in range(256))
NONE = SIZES[0]


class _Names(dict[str, tuple[bytes, c_size_t]]):
    """Names that stand in a host's code, as the library takes them: `NAMES[name]`.

    What a program makes up as it goes does not stay.
    """

    def __missing__(self, name: str) -> tuple[bytes, c_size_t]:
        data = text(name)
        sized = data, SIZES[len(data)]
        if len(self) < _MOST_NAMES and len(data) <= _NAME_BYTES:
            self[name] = sized
        return sized


_MOST_NAMES = 256
_NAME_BYTES = 64  # of longer ones only the length is of interest
NAMES = _Names()


def text(value: object) -> bytes:
    """Return the UTF-8 of `value`.

    Bytes pass as they are, and undecodable file names become what they were:
    the library repairs what is no UTF-8, so nothing good beside it is lost.
    Never fails.
    """
    if isinstance(value, bytes):
        return value
    try:
        string = value if isinstance(value, str) else str(value)
    except Exception:  # a `__str__` of the host's
        string = type(value).__name__
    try:
        return string.encode()
    except UnicodeEncodeError:
        pass
    try:
        return string.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return string.encode(errors="surrogatepass")


def new_experience() -> Reference:
    """Return a reference to an experience that never started, and keeps it alive."""
    return ctypes.byref(labkit_experience())


def read(call: Callable[..., int], subject: object, room: int) -> tuple[int, bytes]:
    """Call a function that writes text; return its status and the text."""
    needed = c_size_t(0)
    status = BUFFER_TOO_SMALL
    while status == BUFFER_TOO_SMALL:  # the text may grow between two calls
        buffer = ctypes.create_string_buffer(room)
        status = call(subject, buffer, room, ctypes.byref(needed))
        if status == BUFFER_TOO_SMALL:
            room = needed.value
    return status, buffer.raw[: needed.value] if status == 0 else b""


def status_message(status: int) -> str:
    """Return the library's text for a status."""
    message: bytes = _message(status)  # type: ignore[assignment] # its restype is c_char_p
    return message.decode()


def library_version() -> str:
    """Return the library's version, such as "0.1.0"."""
    version: bytes = _version()  # type: ignore[assignment] # its restype is c_char_p
    return version.decode()
