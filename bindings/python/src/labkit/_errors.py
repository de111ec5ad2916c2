"""What can be raised.

    LabkitError
    +-- LibraryError (ImportError)      the shared library is missing or too old
    +-- ConfigurationError (ValueError) from configure() and Client(), always
    +-- ArgumentError (ValueError)      strict only, as all below
    |   +-- CheckpointError             meta or payload is not what travels
    |   +-- ReservedKeyError            an extra has a name the log line owns
    |   +-- CarrierError                a carrier cannot be read
    +-- UnknownExperienceError (KeyError)
    +-- StateError                      a client that was closed, or is no test client

Each has `status`, the library's name of what happened, such as `reserved_key`.
Without `strict` none but the first two is ever raised: see `_problems`.
"""

from __future__ import annotations

STATUSES = {
    0: "ok",
    100: "null_pointer",
    101: "invalid_utf8",
    102: "too_long",
    103: "invalid_argument",
    104: "invalid_config",
    105: "invalid_checkpoint",
    106: "reserved_key",
    107: "invalid_carrier",
    108: "invalid_size",
    200: "invalid_handle",
    201: "not_started",
    202: "over",
    203: "shut_down",
    204: "test_only",
    205: "not_in_carrier",
    300: "queue_full",
    301: "buffer_too_small",
    302: "too_many_clients",
    303: "deadline_exceeded",
    400: "unknown_experience",
    401: "invalid_definition",
    500: "io",
    900: "panic",
}
"""The library's statuses by number."""

CODES = {name: code for code, name in STATUSES.items()}


class LabkitError(Exception):
    """The root of all errors of this package."""

    status: str = "unknown"
    """The library's name of what happened, such as `reserved_key`."""

    def __init__(self, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status

    def __str__(self) -> str:  # KeyError would show the text in quotes
        return self.message


class LibraryError(LabkitError, ImportError):
    """The shared library is missing or too old; says where it was sought."""

    status = "library"


class ConfigurationError(LabkitError, ValueError):
    """The configuration, or a definition in strict mode, is wrong; names the key."""

    status = "invalid_config"


class ArgumentError(LabkitError, ValueError):
    """An argument is not what it must be."""

    status = "invalid_argument"


class CheckpointError(ArgumentError):
    """Meta or payload is not what the wire format asks for."""

    status = "invalid_checkpoint"


class ReservedKeyError(ArgumentError):
    """An extra has a name that the log line owns, such as `urgency`."""

    status = "reserved_key"


class CarrierError(ArgumentError):
    """A carrier cannot be read."""

    status = "invalid_carrier"


class UnknownExperienceError(LabkitError, KeyError):
    """No definition has this id."""

    status = "unknown_experience"


class StateError(LabkitError):
    """The client was closed, or is no client of a test."""

    status = "invalid_handle"


_CLASSES: dict[str, type[LabkitError]] = {
    "invalid_config": ConfigurationError,
    "invalid_definition": ConfigurationError,
    "io": ConfigurationError,
    "too_many_clients": ConfigurationError,
    "null_pointer": ArgumentError,
    "invalid_utf8": ArgumentError,
    "too_long": ArgumentError,
    "invalid_argument": ArgumentError,
    "invalid_size": ArgumentError,
    "invalid_checkpoint": CheckpointError,
    "reserved_key": ReservedKeyError,
    "invalid_carrier": CarrierError,
    "unknown_experience": UnknownExperienceError,
    "invalid_handle": StateError,
    "test_only": StateError,
}


def error_of(code: int, message: str) -> LabkitError:
    """Return the error that belongs to a status number."""
    status = STATUSES.get(code, "unknown")
    return _CLASSES.get(status, LabkitError)(message, status)


def is_mistake(code: int) -> bool:
    """Whether a status is the programmer's doing, and an error where strict.

    A full queue, a client that was shut down, or an experience that is over
    happens to correct programs.
    """
    return STATUSES.get(code) in _CLASSES or code == CODES["panic"]
