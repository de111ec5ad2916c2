"""The block form: starts where the block is entered, ends where it is left."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, TypeVar

    from labkit._experience import Experience

    F = TypeVar("F", bound=Callable[..., Any])


class Block:
    """An experience that lasts as long as a `with` block, or a call of a function.

    Made by `experience()`; use it once as a context manager, or as decorator of
    any number of functions, where each call is an experience of its own. The
    block always runs; what it returns or raises goes on unchanged.
    """

    __slots__ = ("_args", "_begin", "_experience")

    def __init__(
        self,
        begin: Callable[[str, str | None, Mapping[str, Any], bool], Experience],
        id: str,
        correlation_id: str | None,
        meta: Mapping[str, Any],
    ) -> None:
        self._begin = begin
        self._args = (id, correlation_id, meta, True)

    def __enter__(self) -> Experience:
        self._experience = self._begin(*self._args)
        return self._experience

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._experience.__exit__(kind, error, trace)

    async def __aenter__(self) -> Experience:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._experience.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Return `function`, each call of which is an experience.

        Raises:
            TypeError: `function` is a generator: its body runs in pieces, in
                whatever context its caller has. Use `with` inside.

        """
        # Both come with any framework, but cost a small script its start.
        import functools
        import inspect

        begin, args = self._begin, self._args
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is a generator: use `with labkit.experience()` inside")

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def in_async_block(*given: Any, **named: Any) -> Any:
                with begin(*args):
                    return await function(*given, **named)

            return in_async_block  # type: ignore[return-value] # the same call signature

        @functools.wraps(function)
        def in_block(*given: Any, **named: Any) -> Any:
            with begin(*args):
                return function(*given, **named)

        return in_block  # type: ignore[return-value] # the same call signature
