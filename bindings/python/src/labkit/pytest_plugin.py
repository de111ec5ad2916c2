"""pytest: a fixture that records what a test does, and sends nothing.

Installed with the package; nothing has to be imported or switched on:

    def test_an_order_is_placed(user_experiences):
        place_order(["book"])
        start, end = user_experiences.checkpoints()
        assert end["outcome"] == "success"

The definitions are looked for in `config/user_experience_slis` beside pytest's
configuration file, or where its `labkit_definitions` says.
"""

from __future__ import annotations

import pytest

from labkit.testing import recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labkit.testing import Recorder

_DEFAULT = "config/user_experience_slis"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest of the setting."""
    parser.addini(
        "labkit_definitions",
        "directory of user experience definitions, relative to the root directory",
        default=_DEFAULT,
    )


@pytest.fixture
def user_experiences(pytestconfig: pytest.Config) -> Iterator[Recorder]:
    """Record what this test does, see `labkit.testing.Recorder`; mistakes raise."""
    definitions = pytestconfig.rootpath / pytestconfig.getini("labkit_definitions")
    with recording(definitions) as recorder:
        yield recorder
