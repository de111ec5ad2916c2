"""Times as the library takes them: milliseconds since the Unix epoch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt


def millis(time: dt.datetime | float) -> int:
    """Return a datetime, or seconds since the epoch, in milliseconds.

    Raises:
        AttributeError, TypeError, ValueError, OverflowError: it is neither.

    """
    if isinstance(time, (int, float)):
        return round(time * 1000)
    return round(time.timestamp() * 1000)
