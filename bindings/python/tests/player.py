"""Replays a scenario of the corpus through the public API."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import labkit
from labkit.testing import recording


class _UserError(Exception):
    pass


class Player:
    def __init__(self, scenario, recorder):
        self.recorder = recorder
        self.recorder.set_clock(instant(scenario["clock"]))
        self.recorder.seed_ids(1)
        self.named = {}
        self.carriers = {}

    def play(self, steps):
        for step in steps:
            expected = step.get("fails")
            try:
                getattr(self, "do_" + step["do"])(step)
            except labkit.LabkitError as e:
                assert e.status == expected, f"{step}: {e.status}: {e}"
            else:
                assert expected is None, f"{step}: did not fail"

    def on(self, step):
        # One that nobody named never started.
        return self.named.get(step["on"]) or labkit.current("nobody_started_this")

    def keep(self, step, experience):
        if "as" in step:
            self.named[step["as"]] = experience

    def do_advance(self, step):
        self.recorder.advance(step["ms"] / 1000)

    def do_start(self, step):
        given = {"correlation_id": step["correlation_id"]} if "correlation_id" in step else {}
        self.keep(step, labkit.start(step["id"], **given, **meta(step)))

    def do_checkpoint(self, step):
        experience = self.on(step)
        assert experience.checkpoint(step.get("category"), **meta(step)) is experience

    def do_error(self, step):
        experience = self.on(step)
        assert experience.error(reason(step)) is experience

    def do_handled(self, step):
        experience = self.on(step)
        assert experience.handled(reason(step)) is experience

    def do_complete(self, step):
        experience = self.on(step)
        assert experience.complete(**meta(step)) is experience

    def do_discard(self, step):
        experience = self.on(step)
        assert experience.discard(reason(step), **meta(step)) is experience

    def do_observed(self, step):
        labkit.observed(
            step["id"],
            start_time=instant(step["start_time"]),
            outcome=step["outcome"],
            reason=step.get("reason"),
            correlation_id=step.get("correlation_id"),
            **meta(step),
        )

    def do_is_active(self, step):
        assert self.on(step).active is step["equals"]

    def do_carrier(self, step):
        text = self.on(step).carrier()
        if "equals" in step:
            assert text == step["equals"]
        self.carriers[step["as"]] = text

    def do_resume(self, step):
        carrier = step["carrier"] if "carrier" in step else self.carriers[step["from"]]
        experience = labkit.resume(
            step["id"], carrier, job=step.get("job"), category=step.get("category"), **meta(step)
        )
        self.keep(step, experience)

    def do_scope(self, step):
        with labkit.isolate():
            self.play(step["steps"])

    def do_current(self, step):
        self.keep(step, labkit.current(step["id"]))

    def do_record(self, step):
        labkit.record(step["payload"])

    def do_block(self, step):
        getattr(self, "leave_" + step["exit"])(step)

    def leave_normal(self, step):
        assert self.run_block(step, lambda: "result") == "result"

    def leave_error(self, step):
        self.raise_in_block(step, _UserError(step["reason"]))

    def leave_cancelled(self, step):
        self.raise_in_block(step, asyncio.CancelledError())

    def leave_abandoned(self, step):
        self.raise_in_block(step, SystemExit(1))

    def leave_non_local(self, step):
        # How Python jumps out of a block: the generator that holds it is closed.
        def generator():
            with labkit.experience(step["id"], **meta(step)) as experience:
                self.keep(step, experience)
                self.play(step.get("steps", ()))
                yield

        running = generator()
        next(running)
        running.close()

    def raise_in_block(self, step, error):
        def leave():
            raise error

        try:
            self.run_block(step, leave)
        except BaseException as e:
            assert e is error
        else:
            raise AssertionError("the exception was swallowed")

    def run_block(self, step, leave):
        with labkit.experience(step["id"], **meta(step)) as experience:
            self.keep(step, experience)
            self.play(step.get("steps", ()))
            return leave()


def meta(step):
    if "meta_bytes" in step:
        return {"pad": "x" * (step["meta_bytes"] - len('{"pad":""}'))}
    return step.get("meta", {})


def reason(step):
    return bytes.fromhex(step["reason_hex"]) if "reason_hex" in step else step["reason"]


def instant(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def expected_lines(text):
    """Return each element of `wire` as the bytes it stands for: its line in the file."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip().startswith('"wire":'))
    if lines[first].strip().rstrip(",") == '"wire": []':
        return []
    last = next(i for i in range(first + 1, len(lines)) if lines[i].strip() in ("]", "],"))
    return [line.strip().rstrip(",").encode() for line in lines[first + 1 : last]]


def replay(path, definitions):
    """Play a file; return the lines sent, the lines expected, the stats and those expected."""
    text = path.read_text(encoding="utf-8")
    scenario = json.loads(text)
    config = scenario.get("config", {})
    with recording(definitions, type="web", strict=scenario["strict"], **config) as recorder:
        Player(scenario, recorder).play(scenario["steps"])
        sent = recorder.lines()
        return sent, expected_lines(text), labkit.stats(), scenario.get("stats", {})
