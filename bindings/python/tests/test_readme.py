"""Every snippet of the README runs, one after the other, against a tracker.

Those that begin with the name of a file are run by integration/test_getting_started.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from server import tracker

README = Path(__file__).parents[1] / "README.md"


def snippets(language):
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_snippets_run(tmp_path):
    directory = tmp_path / "config" / "user_experience_slis"
    directory.mkdir(parents=True)
    (yaml,) = snippets("yaml")
    (directory / "create_order.yml").write_text(yaml, encoding="utf-8")
    code = [text for text in snippets("python") if not text.startswith("# ")]
    assert len(code) > 8
    with tracker() as it:
        program = "\n".join(code).replace("http://127.0.0.1:8480", it.url)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "packed" in {c.get("checkpoint_category") for c in it.checkpoints}
        assert "declined" in {c.get("reason") for c in it.checkpoints}
