"""ASGI: each request and each websocket in a scope of its own.

Servers may end by the very signal that asked them to stop, as uvicorn does,
past Python's own exit. So what is left is sent when the application shuts down.
"""

from __future__ import annotations

from labkit._arrival import is_trusted, name_of, resume_request, tend
from labkit._context import isolate
from labkit._default import flush
from labkit._errors import LabkitError
from labkit._process import EXIT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

_CARRIER = b"x-labkit-user-experiences"
_REQUEST_ID = b"x-request-id"


class ASGIMiddleware:
    """Runs each request of `app` in a scope of its own.

    `trust` is asked with the connection's scope whether the sender's carrier
    header is taken; by default it never is, as anybody can send one. What it
    brings is continued, and is `labkit.current(id)` in the application. What a
    request starts or resumes carries its header `X-Request-Id`, if it has one,
    as `request_correlation_id`.

    When the server shuts the application down, waits for half a second at most
    until what was recorded is sent.
    """

    def __init__(self, app: Application, *, trust: Callable[[Scope], bool] | None = None) -> None:
        self.app = app
        self.trust = trust

    async def __call__(
        self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Run one connection, or the application's life."""
        if scope["type"] == "lifespan":  # the process's, nobody's request
            await _live(self.app, scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with isolate(request_correlation_id=name_of(_header(scope, _REQUEST_ID))):
            header = _header(scope, _CARRIER)
            if header and is_trusted(self.trust, scope):
                resume_request(header)
            tend()
            await self.app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope.get("headers", ()):
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


async def _live(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application's life; its last message waits for the flush.

    Django's application knows no lifespan and raises at once. Servers then go
    on without one, so here the rest is done in its place.
    """
    has_begun = False

    async def received() -> Any:
        nonlocal has_begun
        has_begun = True
        return await receive()

    async def sent(message: Any) -> None:
        nonlocal has_begun
        has_begun = True
        if message["type"].startswith("lifespan.shutdown."):
            _flush()
        await send(message)

    try:
        await app(scope, received, sent)
    except Exception:
        if has_begun:
            raise
        for _ in range(2):  # its start, its end
            message = await receive()
            await sent({"type": f"{message['type']}.complete"})


def _flush() -> None:
    try:
        flush(EXIT_S)
    except LabkitError:  # strict, and the application has closed the client itself
        pass
