"""gunicorn loads a Flask application and forks: no hook, nothing lost, nothing twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import labkit
from labkit.middleware import carrier_headers
from support import DEFINITIONS, ask, serving

LISTENING = r"Listening at: (http://\S+)"


@pytest.mark.parametrize("worker", [("sync",), ("gthread", "--threads", "4")], ids=lambda w: w[0])
def test_with_preload_every_experience_ends_once_as_it_should(
    worker, tracker, ledgers, environment, tmp_path
):
    command = (
        *("gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0"),
        # Workers are replaced, so that the parent forks again and again.
        *("--max-requests", "12", "--worker-class", *worker, "flask_shop:app"),
    )
    wishes = ["good"] * 20 + ["error"] * 6 + ["handled"] * 6 + ["streamed"] * 6 + ["lost"] * 2
    with serving(command, environment, LISTENING, tmp_path) as url, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda wish: ask(f"{url}/{wish}"), wishes))
        expected = {"error": 500, "handled": 409}
        assert [status for status, _ in answers] == [expected.get(w, 200) for w in wishes]
        assert len({pid for _, pid in answers[:20]}) >= 2
        assert {text for _, text in answers[32:38]} == {"packed\nTrue\n"}
    assert tracker.outcomes(42) == {
        ("boot", "success"): 1,
        ("create_order", "success"): 1 + 20 + 6,
        ("create_order", "error"): 6,
        ("create_order", "handled"): 6,
        ("lost_order", "timeout"): 2,
    }
    assert ledgers.add_up() == tracker.accepted() == 4 + 3 * 20 + 2 * 18 + 2


def test_an_experience_goes_on_in_a_worker_that_trusts_its_sender(
    tracker, ledgers, environment, tmp_path
):
    command = ("gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0", "flask_shop:app")
    client = labkit.configure(endpoint=tracker.url, definitions=DEFINITIONS, type="client")
    with serving(command, environment, LISTENING, tmp_path) as url:
        order = client.start("create_order")
        headers = carrier_headers()
        assert ask(f"{url}/finish", headers=headers)[0] == 200  # a stranger's is not taken
        assert client.flush()
        assert len(tracker.ends()) == 2  # the server's own, from before it forked
        assert ask(f"{url}/finish", headers={**headers, "X-Peer": "yes"})[0] == 200
    assert tracker.outcomes(3) == {("boot", "success"): 1, ("create_order", "success"): 2}
    (end,) = [e for e in tracker.ends() if e["correlation_id"] == order.correlation_id]
    assert end["type"] == "web"
    assert client.close()
    assert ledgers.add_up() + 1 == tracker.accepted() == 4 + 1 + 2
