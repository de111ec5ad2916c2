"""One run: blocks, decorators, chaining, exits."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import labkit
from labkit import _native


def ends(recorder):
    return [
        (c.get("outcome"), c.get("reason"))
        for c in recorder.checkpoints()
        if c["checkpoint"] == "end"
    ]


def test_calls_can_be_chained(recorder):
    labkit.start("create_order").checkpoint("packed").handled("out_of_stock").complete(total=3)
    start, packed, end = recorder.checkpoints()
    assert (start["checkpoint"], packed["checkpoint_category"]) == ("start", "packed")
    assert (end["outcome"], end["reason"], end["meta"]) == ("handled", "out_of_stock", {"total": 3})


def test_any_name_that_is_no_parameter_is_meta(recorder):
    labkit.start("create_order", id=1, self=2, client=3).complete(id=4, self=5, definition=6)
    start, end = recorder.checkpoints()
    assert start["meta"] == {"id": 1, "self": 2, "client": 3}
    assert end["meta"] == {"id": 4, "self": 5, "definition": 6}


@pytest.mark.parametrize("begin", [labkit.experience, labkit.start])
def test_a_block_ends_with_the_fields_that_it_began_with(recorder, begin):
    with begin("create_order", project_id=7):
        pass
    with pytest.raises(ValueError, match="declined"), begin("create_order", attempt=2):
        raise ValueError("declined")
    with begin("create_order", attempt=3) as xp:
        xp.complete(attempt=4)
    metas = [c.get("meta") for c in recorder.checkpoints()]
    assert metas == [{"project_id": 7}] * 2 + [{"attempt": n} for n in (2, 2, 3, 4)]


def test_a_resumed_block_ends_with_the_fields_that_it_was_resumed_with(recorder):
    labkit.start("create_order", cart=1)
    with labkit.resume("create_order", labkit.carrier(), queue="mail"):
        pass
    assert [c.get("meta") for c in recorder.checkpoints()] == [
        {"cart": 1},
        {"queue": "mail"},
        {"queue": "mail"},
    ]


def test_names_that_a_program_makes_up_do_not_stay(recorder):
    xp = labkit.start("create_order")
    for number in range(1_000):
        xp.checkpoint(f"step_{number}")
    sent = [c.get("checkpoint_category") for c in recorder.checkpoints()]
    assert sent[1:] == [f"step_{number}" for number in range(1_000)]
    assert len(_native.NAMES) <= 256


def test_a_decorated_function_returns_its_result_and_each_call_is_an_experience(recorder):
    @labkit.experience("create_order", via="api")
    def order(count, *, gift):
        """Order."""
        labkit.current("create_order").checkpoint("inside")
        return count, gift

    assert order(2, gift=True) == (2, True)
    assert order(3, gift=False) == (3, False)
    assert (order.__name__, order.__doc__) == ("order", "Order.")
    sent = recorder.checkpoints()
    assert [c["checkpoint"] for c in sent] == ["start", "intermediate", "end"] * 2
    assert len({c["correlation_id"] for c in sent}) == 2
    assert sent[0]["meta"] == {"via": "api"}


def test_a_decorated_coroutine_function_stays_one(recorder):
    @labkit.experience("create_order")
    async def order(count):
        await asyncio.sleep(0)
        return count

    assert inspect.iscoroutinefunction(order)
    assert asyncio.run(order(2)) == 2
    assert ends(recorder) == [("success", None)]


def test_a_decorated_function_may_call_itself(recorder):
    @labkit.experience("create_order")
    def order(depth):
        return depth if depth == 0 else order(depth - 1)

    assert order(2) == 0
    assert ends(recorder) == [("success", None)] * 3


def test_a_generator_is_not_decorated_for_its_body_runs_in_pieces():
    def pieces():
        yield 1

    async def async_pieces():
        yield 1

    for function in (pieces, async_pieces):
        with pytest.raises(TypeError, match="is a generator"):
            labkit.experience("create_order")(function)


def test_an_exception_is_raised_unchanged_and_its_message_recorded(recorder):
    error = ValueError("card expired")
    with pytest.raises(ValueError, match="card expired") as caught:  # noqa: SIM117 - two subjects
        with labkit.experience("create_order"):
            raise error
    assert caught.value is error
    assert ends(recorder) == [("error", "card expired")]


def test_an_exception_without_a_message_is_recorded_with_its_class(recorder):
    with pytest.raises(TimeoutError), labkit.experience("create_order"):
        raise TimeoutError
    assert ends(recorder) == [("error", "TimeoutError")]


def test_an_exception_that_cannot_be_shown_is_recorded_with_its_class(recorder):
    class BrokenError(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    with pytest.raises(BrokenError), labkit.experience("create_order"):
        raise BrokenError
    assert ends(recorder) == [("error", "BrokenError")]


def test_error_takes_an_exception_or_text(recorder):
    labkit.start("create_order").error(ValueError("declined")).complete()
    labkit.start("create_order").error("declined").complete()
    labkit.start("create_order").error().complete()
    assert ends(recorder) == [("error", "declined"), ("error", "declined"), ("error", None)]


def test_a_cancelled_task_is_handled(recorder):
    async def order():
        async with labkit.experience("create_order"):
            await asyncio.Event().wait()

    async def main():
        task = asyncio.ensure_future(order())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ends(recorder) == [("handled", "cancelled")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_or_exit_sends_no_end(recorder, error):
    with pytest.raises(type(error)) as caught, labkit.experience("create_order"):
        raise error
    assert caught.value is error
    assert ends(recorder) == []


def test_return_and_break_are_ordinary_ends(recorder):
    def order():
        for _ in range(2):
            with labkit.experience("create_order"):
                break
        with labkit.experience("create_order"):
            return "result"

    assert order() == "result"
    assert ends(recorder) == [("success", None)] * 2


def test_a_started_or_resumed_experience_ends_with_its_block(recorder):
    with labkit.start("sign_in") as started:
        carrier = started.carrier()
    with labkit.resume("sign_in", carrier) as resumed:
        assert resumed.active
    assert not resumed.active
    assert ends(recorder) == [("success", None)] * 2


def test_an_end_in_strict_mode_does_not_replace_the_blocks_exception(definitions):
    client = labkit.Client(definitions=definitions, transport="memory", strict=True)
    with pytest.raises(ValueError, match="mine"), client.experience("create_order"):
        client.close()
        raise ValueError("mine")


def test_it_tells_what_it_is(recorder):
    given = "01KE6Y6MG0AAAAAAAAAAAAAAAA"
    experience = labkit.start("create_order", correlation_id=given)
    assert (experience.id, experience.correlation_id, experience.active) == (
        "create_order",
        given,
        True,
    )
    assert repr(experience) == "<labkit.Experience create_order active>"
    none = labkit.current("sign_in")
    assert (none.id, none.correlation_id, none.active, none.carrier()) == ("", None, False, "{}")
    assert repr(none) == "<labkit.Experience null inactive>"
