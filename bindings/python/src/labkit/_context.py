"""Which experiences are active here.

One context variable holds a mapping that is never changed, so that asyncio tasks and
copied contexts see what was active when they began, and change nothing for
the others. A new thread begins with nothing.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from labkit._experience import Experience


class Definition:
    """An id that a client knows. The context's key: two clients never meet."""

    __slots__ = ("handle", "id", "index")

    def __init__(self, id: str, index: int, handle: int) -> None:
        self.id = id
        self.index = index
        self.handle = handle


# Never written to, nor is any other mapping once it is set: a plain dict, as a
# read-only view of one costs each start and end 50 ns.
NOTHING: Mapping[Definition, Experience] = {}

# Whoever adds to it or takes from it sets a new mapping.
active: ContextVar[Mapping[Definition, Experience]] = ContextVar("labkit_active", default=NOTHING)

# The host's own name for the request or job that this context serves.
request_id: ContextVar[str | None] = ContextVar("labkit_request_id", default=None)


class Isolated:
    """An inner scope: sees nothing of the outer one, and restores it."""

    __slots__ = ("_request_id", "_tokens")

    def __init__(self, request_id: str | None) -> None:
        self._request_id = request_id
        self._tokens: tuple[Token[Mapping[Definition, Experience]], Token[str | None]] | None = None

    def __enter__(self) -> None:
        self._tokens = active.set(NOTHING), request_id.set(self._request_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tokens, self._tokens = self._tokens, None
        if tokens is None:
            return
        try:
            active.reset(tokens[0])
            request_id.reset(tokens[1])
        except ValueError:  # left in another context, where nothing was hidden
            pass

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


def isolate(*, request_correlation_id: str | None = None) -> Isolated:
    """Return an inner scope, for `with` or `async with`.

    Inside, nothing of what is active outside can be seen or ended; afterwards
    it is active again. For work that runs inline but is not part of what
    surrounds it, such as a job run in place.

    Args:
        request_correlation_id: the host's own name for this request or job. What
            starts or is resumed inside carries it among its further fields.

    """
    return Isolated(request_correlation_id)
