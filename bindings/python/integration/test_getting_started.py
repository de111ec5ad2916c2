"""The README as a new user follows it: in a clean directory, with what its words say."""

from __future__ import annotations

import os
import re
import sysconfig
from collections import Counter

import pytest

from support import PACKAGE, ask, readme_blocks, run, serving

BLOCKS = readme_blocks()
SHELL = [text for language, text in BLOCKS if language == "sh"]
NAMED = re.compile(r"# (\S+\.\w+)(, at its end)?\n")


def write_files(directory):
    """Write each snippet that names its file."""
    for language, text in BLOCKS:
        if language == "sh" or not (name := NAMED.match(text)):
            continue
        path = directory / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if name[2] else "w", encoding="utf-8") as file:
            file.write(text)


@pytest.fixture
def directory(place, tmp_path):
    """A directory of the user's, and an environment as `. venv/bin/activate` makes it."""
    (tmp_path / "venv").symlink_to(place / "venv")
    return tmp_path


@pytest.fixture
def user(directory, tracker):
    """Run shell text as the user does in whose shell the environment is active and set."""
    exports = SHELL[1].replace("http://127.0.0.1:8480", tracker.url)
    prelude = f"set -e\n. venv/bin/activate\n{exports}"

    def execute(text, path=""):
        environment = {**alone(), "PYTHONPATH": path}
        return run(["bash", "-c", prelude + text], environment, cwd=directory)

    return execute


def alone():
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("LABKIT_", "PYTHON"))}
    # Frameworks and pytest are those at hand; labkit is the installed one.
    return {**keep, "PYTHONPATH": sysconfig.get_path("purelib")}


@pytest.fixture
def served(directory, tracker):
    """Serve as the README says, with the user's environment."""

    def serve(command, ready, leaves_with=(0,)):
        environment = {
            **alone(),
            "LABKIT_ENDPOINT": tracker.url,
            "LABKIT_DEFINITIONS": "config/user_experience_slis",
        }
        python = directory / "venv/bin/python"
        return serving(command, environment, ready, directory, leaves_with, python)

    return serve


def test_the_first_experience_is_recorded(directory, user, tracker):
    write_files(directory)
    assert SHELL[2] == "python orders.py\n"
    assert user(SHELL[2]) == "True 5\n"
    assert tracker.outcomes(2) == {("create_order", "success"): 1, ("create_order", "handled"): 1}


def test_its_test_passes(directory, user, tracker):
    write_files(directory)
    assert "-m pytest" in SHELL[3]
    said = user(SHELL[3], sysconfig.get_path("purelib"))
    assert "1 passed" in said
    assert tracker.accepted() == 0


GUNICORN = r"Listening at: (http://\S+)"
UVICORN = r"running on (http://\S+)"
RECIPES = {
    "Flask": ("gunicorn --preload --workers 2 shop:app", "POST", "ordered\n"),
    "FastAPI": ("uvicorn api:app", "POST", '{"items":1}'),
    "Django by WSGI": ("gunicorn mysite.wsgi", "GET", "ordered\n"),
    "Django by ASGI": ("uvicorn mysite.asgi:application", "GET", "ordered\n"),
}


@pytest.mark.parametrize(("command", "method", "answer"), RECIPES.values(), ids=RECIPES)
def test_a_recipe_works_as_it_is_written(command, method, answer, directory, user, served, tracker):
    if "mysite" in command:
        user("python -m django startproject mysite .\n", sysconfig.get_path("purelib"))
    else:
        assert f"`{command}`" in (PACKAGE / "README.md").read_text(encoding="utf-8")
    write_files(directory)
    server, *rest = command.split()
    port = ("--bind", "127.0.0.1:0") if server == "gunicorn" else ("--port", "0")
    ready, leaves = (GUNICORN, (0,)) if server == "gunicorn" else (UVICORN, (0, -15))
    with served((server, *port, *rest), ready, leaves) as url:
        answers = {ask(f"{url}/orders", method) for _ in range(6)}
    assert answers == {(200, answer)}
    assert tracker.outcomes(6) == {("create_order", "success"): 6}
    categories = Counter(e.get("checkpoint_category") for e in tracker.events())
    assert categories["packed"] == 6
    assert tracker.accepted() == 18


def test_celerys_recipe_works_as_it_is_written(directory, user, served, broker, tracker):
    write_files(directory)
    tasks = directory / "tasks.py"
    text = tasks.read_text(encoding="utf-8")
    tasks.write_text(text.replace("redis://127.0.0.1:6379/0", broker), encoding="utf-8")
    with served(
        ("celery", "--app", "tasks", "worker", "--loglevel", "INFO"), r"(celery@\S+) ready"
    ):
        user("python producer.py\n", sysconfig.get_path("purelib"))
        assert tracker.outcomes(1) == {("create_order", "success"): 1}
