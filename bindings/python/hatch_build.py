"""Puts the shared library into the wheel.

LABKIT_LIBRARY names it; else the one that `make lib` built is taken. Without
either the wheel has no library, and loads the system's `liblabkit.so.0`.
LABKIT_WHEEL_PLATFORM is the platform in the wheel's name: `manylinux_2_17_x86_64`
for a library that was built against so old a glibc; else this machine's.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "liblabkit.so.0"


class LibraryHook(BuildHookInterface):  # type: ignore[type-arg] # hatchling looks for the plain class
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Add the library, and say that the wheel is of one platform."""
        built = Path(self.root).parents[1] / "target" / "lib" / NAME
        library = Path(os.environ.get("LABKIT_LIBRARY") or built)
        if not library.is_file():
            return
        machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        platform = os.environ.get("LABKIT_WHEEL_PLATFORM") or machine
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"][str(library)] = f"labkit/{NAME}"
