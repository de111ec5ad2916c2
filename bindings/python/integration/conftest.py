"""A tracker, a broker and a place for ledgers for each test; one wheel, installed, for all."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

import support

os.environ.setdefault("LABKIT_LIBRARY", support.LIBRARY)


@pytest.fixture
def tracker(tmp_path):
    directory = tmp_path / "tracker"
    directory.mkdir()
    it = support.Tracker(directory)
    yield it
    it.close()


@pytest.fixture
def ledgers(tmp_path):
    directory = tmp_path / "ledgers"
    directory.mkdir()
    return support.Ledgers(directory)


@pytest.fixture
def environment(tracker, ledgers):
    return support.environment(tracker, ledgers)


@pytest.fixture
def broker(tmp_path):
    """A Redis of Debian's, on a socket of its own."""
    socket = tmp_path / "redis"
    command = (
        *("redis-server", "--port", "0", "--unixsocket", socket),
        *("--save", "", "--dir", tmp_path),
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    support.until(socket.exists, lambda: "redis-server's socket")
    yield f"redis+socket://{socket}"
    process.terminate()
    assert process.wait(support.WAIT_S) == 0


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel that runs wherever glibc 2.17 does."""
    return support.build_wheel(support.OLD_LIBRARY, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def place(tmp_path_factory, wheel):
    """A clean directory where the wheel was installed as the README says."""
    directory = tmp_path_factory.mktemp("clean")
    shutil.copy(wheel, directory)
    install = next(text for language, text in support.readme_blocks() if language == "sh")
    assert "pip install labkit-*.whl" in install
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LABKIT_", "PYTHON"))}
    offline = {**clean, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    support.run(["bash", "-ec", install], offline, cwd=directory)
    return directory
