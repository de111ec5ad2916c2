"""In production nothing raises, prints or blocks; one line a minute says what is wrong."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

import labkit
from labkit._default import default
from labkit._problems import Problems


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(production):
    clock = Clock()
    production.client._problems.clock = clock
    return clock


def test_an_unknown_id_gives_one_that_does_nothing_and_runs_the_block(production, log):
    with labkit.experience("nobody_wrote_this") as none:
        none.checkpoint("x").error("y").handled("z").discard("w").complete(a=1)
        result = "ran"
    assert (result, none.active, labkit.stats()["recorded"]) == ("ran", False, 0)
    assert log() == ["labkit: start of nobody_wrote_this: no definition has this id or index"]


def test_an_exception_passes_a_null_block_unchanged(production):
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught, labkit.experience("nobody"):
        raise error
    assert caught.value is error


def test_a_kind_of_problem_is_logged_once_a_minute(production, clock, log):
    for _ in range(3):
        labkit.start("nobody")
    assert len(log()) == 1
    labkit.current("nobody")
    assert len(log()) == 2
    clock.now += 59.9
    labkit.start("nobody")
    assert len(log()) == 2
    clock.now += 0.1
    labkit.start("nobody")
    assert len(log()) == 3


def test_no_argument_however_odd_raises(production):
    class Odd:
        def __str__(self):
            raise RuntimeError("no text")

    cycle = []
    cycle.append(cycle)
    for odd in (None, 7, b"\xff", "\ud800", [], {}, Odd(), object, float("nan"), "x" * 10_000):
        labkit.start(odd, x=odd).complete()
        experience = labkit.start("create_order", correlation_id=odd, x=odd, y=cycle)
        experience.checkpoint(odd, x=odd).checkpoint(x=odd).error(odd).handled(odd)
        experience.discard(odd, x=odd)
        labkit.current(odd)
        labkit.resume(odd, "{}")
        labkit.resume("create_order", odd, job=odd, category=odd, x=odd)
        labkit.observed(odd, start_time=0)
        labkit.observed("create_order", start_time=odd)
        labkit.observed("create_order", start_time=0, outcome=odd, reason=odd, correlation_id=odd)
        labkit.record(odd)
        production.client.set_token(odd)
    sent = [c["checkpoint"] for c in production.checkpoints()]
    stats = labkit.stats()
    assert stats["recorded"] == len(sent) + stats["dropped"]
    # 7 is a time, in 1970: that start is too old for any tracker, its end is not.
    assert stats["dropped"] == stats["dropped_expired"] == 1
    assert (sent.count("start"), sent.count("end")) == (10, 11)


def test_a_handler_that_fails_does_not_reach_the_caller(production):
    class Broken(logging.Handler):
        def emit(self, _):
            raise RuntimeError("disk full")

    handler = Broken()
    logging.getLogger("labkit").addHandler(handler)
    try:
        labkit.start("nobody")
    finally:
        logging.getLogger("labkit").removeHandler(handler)


def test_a_full_queue_is_counted_and_the_experience_goes_on(definitions, log):
    client = labkit.Client(
        definitions=definitions,
        endpoint="http://127.0.0.1:9",
        strict=True,
        queue_items=2,
        batch_items=1,  # the worker takes no more while one cannot be sent
    )
    experience = client.start("create_order")
    for _ in range(20):
        experience.checkpoint("packed")
    assert experience.active
    assert client.stats()["dropped_queue_full"] > 0
    assert any("the queue is full" in line for line in log())
    client.close(0)


def test_a_definition_that_is_wrong_is_logged_and_the_good_ones_work(tmp_path, log):
    (tmp_path / "good.yml").write_text(
        "description: d\nfeature_category: f\nurgency: sync_fast\n", encoding="utf-8"
    )
    (tmp_path / "bad.yml").write_text("urgency: someday\n", encoding="utf-8")
    client = labkit.Client(definitions=tmp_path, transport="memory")
    assert any("bad.yml" in line for line in log())
    assert client.start("good").active
    client.close()


def test_a_client_that_was_closed_does_nothing(definitions, log):
    client = labkit.Client(definitions=definitions, transport="memory")
    experience = client.start("create_order")
    client.close()
    client.close()
    experience.checkpoint("x").complete()
    assert not client.start("sign_in").active
    assert client.stats()["recorded"] == 0
    assert any("stale" in line for line in log())


def test_before_configure_everything_runs_and_one_line_says_so(monkeypatch, log):
    monkeypatch.setattr(default, "client", None)
    monkeypatch.setattr("labkit._problems.UNCONFIGURED._next", {})

    @labkit.experience("create_order")
    def order():
        return "result"

    assert order() == order() == "result"
    assert labkit.start("create_order").checkpoint().complete().active is False
    assert labkit.resume("create_order", "{}").active is False
    assert (labkit.carrier(), labkit.stats(), labkit.flush(), labkit.shutdown()) == (
        "{}",
        {},
        True,
        True,
    )
    labkit.observed("create_order", start_time=0)
    labkit.record("{}")
    assert [line for line in log() if "experience" in line] == [
        "labkit: experience: labkit.configure() was not called"
    ]


def test_without_logging_configured_nothing_is_printed(definitions):
    text = f"""
import labkit
labkit.configure(definitions={definitions!r}, transport="memory")
labkit.start("nobody").complete()
labkit.start("create_order", urgency="x", y=object()).checkpoint("Not A Name").complete()
labkit.record("no json")
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_strict_names_the_mistake(recorder):
    with pytest.raises(labkit.ReservedKeyError, match=r"start of create_order.*reserved") as caught:
        labkit.start("create_order", urgency="high")
    assert caught.value.status == "reserved_key"
    assert isinstance(caught.value, (ValueError, labkit.LabkitError))
    with pytest.raises(labkit.UnknownExperienceError, match="nobody"):
        labkit.current("nobody")
    with pytest.raises(labkit.CheckpointError):
        labkit.record({"checkpoint": "start"})
    with pytest.raises(labkit.CarrierError):
        labkit.resume("create_order", "[1]")
    with pytest.raises(labkit.ArgumentError):
        labkit.observed("create_order", start_time="yesterday")


def test_an_experience_that_is_over_or_never_started_is_no_mistake(recorder):
    over = labkit.start("create_order").complete()
    over.checkpoint("x").error("y").handled("z").complete().discard("w")
    labkit.current("create_order").checkpoint("x").complete()
    assert over.carrier() == "{}"
    assert [c["checkpoint"] for c in recorder.checkpoints()] == ["start", "end"]


def test_problems_of_different_kinds_have_a_minute_each():
    clock = Clock()
    problems = Problems(strict=False, clock=clock)
    due = [problems._is_due("a"), problems._is_due("b"), problems._is_due("a")]
    assert due == [True, True, False]
