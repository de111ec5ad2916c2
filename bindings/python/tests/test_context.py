"""Where an experience is active: threads, tasks, nesting, scopes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import threading

import labkit


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_thread_sees_nothing_of_another(recorder):
    seen = []

    def elsewhere():
        seen.append(labkit.current("create_order").active)
        seen.append(labkit.start("create_order").active)

    with labkit.experience("create_order") as here:
        in_thread(elsewhere)
        assert here.active
        assert labkit.current("create_order") is here
    assert seen == [False, True]
    assert "discarded" not in [c.get("outcome") for c in recorder.checkpoints()]


def test_a_copied_context_takes_it_along_to_a_thread(recorder):
    seen = []
    with labkit.experience("create_order") as here:
        context = contextvars.copy_context()
        in_thread(lambda: context.run(lambda: seen.append(labkit.current("create_order") is here)))
    assert seen == [True]
    recorder.lines()


def test_tasks_see_what_was_active_when_they_began_and_change_nothing_for_others(recorder):
    async def load(name):
        async with labkit.experience("sign_in", name=name) as mine:
            await asyncio.sleep(0)
            return labkit.current("sign_in") is mine, labkit.current("create_order").active

    async def main():
        with labkit.experience("create_order"):
            results = await asyncio.gather(*(load(name) for name in "abc"))
            return results, labkit.current("sign_in").active

    assert asyncio.run(main()) == ([(True, True)] * 3, False)
    assert [c.get("outcome") for c in recorder.checkpoints()[4:]] == ["success"] * 4


def test_to_an_end_in_another_task_the_context_here_stands_but_is_inactive(recorder):
    async def finish():
        labkit.current("create_order").complete()

    async def main():
        labkit.start("create_order")
        await asyncio.gather(finish())
        return labkit.current("create_order").active, labkit.carrier()

    assert asyncio.run(main()) == (False, "{}")
    recorder.lines()


def test_an_end_frees_the_context(recorder):
    first = labkit.start("create_order")
    second = labkit.start("sign_in")
    assert labkit.current("create_order") is first
    first.complete()
    assert labkit.current("create_order") is not first
    assert labkit.current("sign_in") is second
    second.discard("not one")
    assert labkit.current("sign_in") is not second
    recorder.lines()


def test_a_nested_block_hides_the_outer_one_until_it_ends(recorder):
    with labkit.experience("create_order") as outer:
        with labkit.experience("create_order") as inner:
            assert labkit.current("create_order") is inner
            inner.complete()
            assert labkit.current("create_order") is outer
        assert labkit.current("create_order") is outer
        assert outer.active
    recorder.lines()


def test_a_start_inside_a_block_of_the_same_id_restarts_it(recorder):
    with labkit.experience("create_order") as block:
        again = labkit.start("create_order")
        assert not block.active
    assert labkit.current("create_order") is again
    again.complete()
    outcomes = [(c.get("outcome"), c.get("reason")) for c in recorder.checkpoints()]
    assert outcomes.count(("discarded", "restarted")) == 1
    assert outcomes[-1] == ("success", None)


def test_an_async_scope_sees_nothing_of_the_outer_one_and_restores_it(recorder):
    async def main():
        labkit.start("create_order")
        async with labkit.isolate():
            inside = labkit.current("create_order").active
        return inside, labkit.current("create_order").active

    assert asyncio.run(main()) == (False, True)
    recorder.lines()


def test_the_carrier_holds_all_that_is_active_here(recorder):
    assert labkit.carrier() == "{}"
    order, sign_in = labkit.start("create_order"), labkit.start("sign_in")
    both = json.loads(labkit.carrier())
    assert both == {**json.loads(order.carrier()), **json.loads(sign_in.carrier())}
    sign_in.complete()
    assert labkit.carrier() == order.carrier()
    recorder.lines()


def test_a_carrier_may_be_text_bytes_an_object_or_nothing(recorder):
    text = labkit.start("create_order").carrier()
    for carrier in (text, text.encode(), json.loads(text)):
        assert labkit.resume("create_order", carrier).active
    for carrier in (None, "{}", {}):
        assert not labkit.resume("create_order", carrier).active
    recorder.lines()


def test_clients_do_not_see_each_others_experiences(recorder, definitions):
    other = labkit.Client(definitions=definitions, transport="memory", strict=True)
    here, there = labkit.start("create_order"), other.start("create_order")
    assert labkit.current("create_order") is here
    assert other.current("create_order") is there
    assert list(json.loads(other.carrier()).values())[0]["correlation_id"] == there.correlation_id  # noqa: RUF015 - there is one
    there.complete()
    assert here.active
    other.close()
    recorder.lines()


def test_a_thread_that_resumes_without_end_keeps_only_the_last(recorder):
    with labkit.experience("create_order") as outer:
        carrier = outer.carrier()
        for _ in range(50):
            labkit.resume("create_order", carrier)
        gc.collect()
        ours = [o for o in gc.get_objects() if isinstance(o, labkit.Experience) and o.active]
        assert sum(o.correlation_id == outer.correlation_id for o in ours) == 2
        labkit.current("create_order").complete()
        assert labkit.current("create_order") is outer
    recorder.lines()
