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


class Isolated:
    """An inner scope: sees nothing of the outer one, and restores it."""

    __slots__ = ("_token",)

    def __init__(self) -> None:
        self._token: Token[Mapping[Definition, Experience]] | None = None

    def __enter__(self) -> None:
        self._token = active.set(NOTHING)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is None:
            return
        try:
            active.reset(token)
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


def isolate() -> Isolated:
    """Return an inner scope, for `with` or `async with`.

    Inside, nothing of what is active outside can be seen or ended; afterwards
    it is active again. For work that runs inline but is not part of what
    surrounds it, such as a job run in place.
    """
    return Isolated()
