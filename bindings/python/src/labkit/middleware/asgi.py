"""ASGI: each request and each websocket in a scope of its own."""

from __future__ import annotations

from labkit._arrival import is_trusted, resume_request, tend
from labkit._context import isolate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Scope = dict[str, Any]
    Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

_CARRIER = b"x-labkit-user-experiences"
_REQUEST_ID = b"x-request-id"


class ASGIMiddleware:
    """Runs each request of `app` in a scope of its own.

    `trust` is asked with the connection's scope whether the sender's carrier
    header is taken; by default it never is, as anybody can send one. What it
    brings is continued, and is `labkit.current(id)` in the application.
    """

    def __init__(self, app: Application, *, trust: Callable[[Scope], bool] | None = None) -> None:
        self.app = app
        self.trust = trust

    async def __call__(
        self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Run one connection."""
        if scope["type"] not in ("http", "websocket"):  # lifespan: the process's, nobody's request
            await self.app(scope, receive, send)
            return
        with isolate():
            header = _header(scope, _CARRIER)
            if header and is_trusted(self.trust, scope):
                resume_request(header, _header(scope, _REQUEST_ID))
            tend()
            await self.app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope.get("headers", ()):
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
