"""The configuration document: arguments, else environment, else the library's defaults."""

from __future__ import annotations

import os

from labkit._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TRUE = frozenset(("1", "true", "yes", "on"))
_SDK = {"name": "labkit-python", "version": __version__}


def document(
    endpoint: str | None,
    definitions: str | os.PathLike[str] | None,
    type: str | None,
    token: str | None,
    strict: bool | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the JSON document; what is wrong in it is the library's to say."""
    env = os.environ.get
    if definitions is None:
        definitions = env("LABKIT_DEFINITIONS")
    if strict is None:
        strict = env("LABKIT_STRICT", "").strip().lower() in _TRUE
    config = {
        "endpoint": endpoint if endpoint is not None else env("LABKIT_ENDPOINT"),
        "definitions": None if definitions is None else os.fspath(definitions),
        "type": type if type is not None else env("LABKIT_TYPE", "web"),
        "token": token if token is not None else env("LABKIT_TOKEN"),
        "sdk": _SDK,
        **more,
    }
    # The library has a default, or a better message, for what was not said.
    known = {key: value for key, value in config.items() if value is not None}
    return {**known, "strict": strict}
