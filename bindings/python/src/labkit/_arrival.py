"""What arrives in a request or a job: continued here, whatever is wrong with it."""

from __future__ import annotations

from labkit import _carrier
from labkit._default import default
from labkit._errors import LabkitError
from labkit._problems import UNCONFIGURED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from labkit._client import Client

_REQUEST_CATEGORY = "http_request_started"
_REQUEST_ID_BYTES = 128  # anybody may have sent it
_MARKS = {ord(mark): None for mark in "-_.:@/+="}


def is_trusted(trust: Callable[[Any], bool] | None, request: Any) -> bool:
    """Ask the application whether it takes carriers from this request's sender."""
    if trust is None:
        return False
    try:
        return bool(trust(request))
    except Exception as e:  # the answer is no, and the request goes on
        _problems().log("trust", f"labkit: trust(): {e!r}; carrier not taken")
        return False


def name_of(header: str | None) -> str | None:
    """Return the value of X-Request-Id, if it is the kind of name that is logged."""
    if header is None or len(header) > _REQUEST_ID_BYTES or not header.isascii():
        return None
    return header if header.translate(_MARKS).isalnum() else None


def resume_request(header: str) -> None:
    """Continue what a request's header brought."""
    carrier = _carrier.from_header(header)
    if carrier is None:
        _problems().log("header", f"labkit: {_carrier.HEADER}: not base64url, or too long")
        return
    resume_all(carrier, None, _REQUEST_CATEGORY)


def resume_all(
    carrier: str | bytes | Mapping[str, Any],
    job: str | None,
    category: str,
) -> None:
    """Continue all that a carrier brought and this service has a definition of.

    Never raises, also where strict: what a peer sent is no mistake made here.
    """
    client = default.client
    if client is None:
        return
    for id in _carrier.ids(carrier):
        try:
            client.resume(id, carrier, job=job, category=category)
        except LabkitError as e:
            _problems().log(f"resume {e.status}", f"{e}")


def tend() -> None:
    """Log the library's own messages now and then; requests and jobs are its beat."""
    client = default.client
    if client is not None:
        _problems_of(client).tend()


def _problems() -> Any:
    client = default.client
    return UNCONFIGURED if client is None else _problems_of(client)


def _problems_of(client: Client) -> Any:
    return client._problems  # noqa: SLF001 - one package
