"""uvicorn serves FastAPI: concurrent requests keep apart, and the last record is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import labkit
from labkit.middleware import carrier_headers
from support import DEFINITIONS, ask, serving

LISTENING = r"running on (http://\S+)"
TWO_UP = rf"(?s){LISTENING}.*startup complete.*startup complete"
TERMINATED = -15  # uvicorn ends by the signal that it was stopped by


@pytest.mark.parametrize(
    "options",
    [("--loop", "uvloop"), ("--loop", "asyncio"), ("--workers", "2")],
    ids=["uvloop", "asyncio", "two workers"],
)
def test_every_experience_ends_once_as_it_should(options, tracker, ledgers, environment, tmp_path):
    command = ("uvicorn", "--port", "0", *options, "fastapi_shop:app")
    counts = {
        "good?items=3": 20,
        "error": 6,
        "threaded": 6,
        "cancelled": 6,
        "afterwards": 6,
        "streamed": 6,
    }
    wishes = [wish for wish, count in counts.items() for _ in range(count)]
    workers = 2 if "--workers" in options else 1
    ready = TWO_UP if workers == 2 else LISTENING
    with (
        serving(command, environment, ready, tmp_path, (0, TERMINATED)) as url,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda wish: ask(f"{url}/{wish}"), wishes))
    assert [status for status, _ in answers] == [500 if w == "error" else 200 for w in wishes]
    assert all(text.endswith('"items":3}') for _, text in answers[:20])
    assert {text for _, text in answers[44:]} == {"packed\nTrue\n"}
    assert tracker.outcomes(50 + workers) == {
        ("boot", "success"): workers,
        ("create_order", "success"): 20 + 6 + 6,
        ("create_order", "error"): 6,
        ("create_order", "handled"): 6 + 6,
    }
    assert ledgers.add_up() == tracker.accepted() == 2 * workers + 3 * 20 + 2 * 30


def test_an_experience_goes_on_in_a_server_that_trusts_its_sender(
    tracker, ledgers, environment, tmp_path
):
    client = labkit.configure(endpoint=tracker.url, definitions=DEFINITIONS, type="client")
    command = ("uvicorn", "--port", "0", "fastapi_shop:app")
    with serving(command, environment, LISTENING, tmp_path, (0, TERMINATED)) as url:
        order = client.start("create_order")
        id = order.correlation_id
        headers = carrier_headers()
        with labkit.isolate():
            stranger = client.start("create_order")
        assert ask(f"{url}/finish", headers=headers)[0] == 200
        stranger.handled("a request without a carrier ends nothing").complete()
    assert client.close()
    assert tracker.outcomes(3) == {
        ("boot", "success"): 1,
        ("create_order", "success"): 1,
        ("create_order", "handled"): 1,
    }
    (end,) = [e for e in tracker.ends() if e["correlation_id"] == id]
    assert end["type"] == "web"
    assert ledgers.add_up() + 3 == tracker.accepted() == 2 + 3 + 2
