"""Puts the shared library into the wheel, and what it runs on into its name.

LABKIT_LIBRARY names it; else the one that `make lib` built is taken. Without
either the wheel has no library, and loads the system's `liblabkit.so.0`.

The tag is read from the library itself: one that needs no symbol newer than
glibc 2.17's makes a `manylinux_2_17` wheel, one that was built here one of this
machine's glibc or somewhat older. So no wheel claims to run where it does not.
"""

from __future__ import annotations

import os
import re
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
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform(library)}"
        build_data["force_include"][str(library)] = f"labkit/{NAME}"


def platform(library: Path) -> str:
    """Return the platform tag of a library; the plain one if it needs no glibc."""
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    versions = re.findall(rb"GLIBC_2\.(\d+)(?:\.\d+)?\0", library.read_bytes())
    if not versions:
        return machine
    newest = max(int(version) for version in versions)
    # Older ones than this have no tag of their own that installers know.
    return machine.replace("linux", f"manylinux_2_{max(newest, 17)}", 1)
