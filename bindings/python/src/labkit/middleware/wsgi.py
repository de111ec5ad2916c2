"""WSGI: each request in a scope of its own."""

from __future__ import annotations

from contextvars import Context, copy_context

from labkit._arrival import is_trusted, name_of, resume_request, tend
from labkit._context import NOTHING, active, request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Environ = dict[str, Any]
    Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_CARRIER = "HTTP_X_LABKIT_USER_EXPERIENCES"
_REQUEST_ID = "HTTP_X_REQUEST_ID"


class WSGIMiddleware:
    """Runs each request of `app` in a context of its own, to its last byte.

    What one request leaves active is not seen by the next on the same thread.
    What it starts or resumes carries the header `X-Request-Id`, if there is one,
    as `request_correlation_id`.

    `trust` is asked with the environ whether the sender's carrier header is
    taken; by default it never is, as anybody can send one. What it brings is
    continued, and is `labkit.current(id)` in the application.
    """

    def __init__(self, app: Application, *, trust: Callable[[Environ], bool] | None = None) -> None:
        self.app = app
        self.trust = trust

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Run one request."""
        context = copy_context()
        response: Iterable[bytes] = context.run(self._respond, environ, start_response)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(response, (list, tuple)) or (
            isinstance(wrapper, type) and isinstance(response, wrapper)
        ):
            return response  # no code of the application's runs in these any more
        return _Response(response, context)

    def _respond(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        active.set(NOTHING)
        request_id.set(name_of(environ.get(_REQUEST_ID)))
        header = environ.get(_CARRIER)
        if header and is_trusted(self.trust, environ):
            resume_request(header)
        tend()
        return self.app(environ, start_response)


class _Response:
    """A response whose parts are made while it is sent, in the request's context."""

    def __init__(self, response: Iterable[bytes], context: Context) -> None:
        self._response = response
        self._context = context
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        self._parts = self._context.run(iter, self._response)
        return self

    def __next__(self) -> bytes:
        parts = self._parts
        if parts is None:
            parts = self._parts = self._context.run(iter, self._response)
        return self._context.run(next, parts)

    def close(self) -> None:
        close = getattr(self._response, "close", None)
        if close is not None:
            self._context.run(close)
