"""Forks: a child goes on without being told, and says nothing for its parent."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

import labkit
from server import tracker


def in_child(function):
    """Return what `function` returns in a fork child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(write, json.dumps(function()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return json.loads(answer)


def test_a_child_sends_nothing_for_a_block_that_its_parent_entered(recorder):
    def child():
        block.__exit__(None, None, None)
        return recorder.checkpoints()

    block = labkit.experience("create_order")
    block.__enter__()
    assert in_child(child) == []
    block.__exit__(None, None, None)
    assert [c["checkpoint"] for c in recorder.checkpoints()] == ["start", "end"]


def test_a_childs_own_records_work_and_restart_nothing_of_its_parents(recorder):
    def child():
        labkit.start("create_order").complete()
        return recorder.checkpoints(), labkit.stats()

    parents = labkit.start("create_order")
    sent, stats = in_child(child)
    assert [(c["checkpoint"], c.get("outcome")) for c in sent] == [
        ("start", None),
        ("end", "success"),
    ]
    assert sent[0]["correlation_id"] != parents.correlation_id
    assert stats["recorded"] == stats["acknowledged"] == 2
    assert parents.active
    parents.complete()
    assert [c["checkpoint"] for c in recorder.checkpoints()] == ["start", "end"]


def test_a_child_may_end_what_it_was_handed_over(recorder):
    def child():
        handed_over.complete()
        return recorder.checkpoints()

    handed_over = labkit.start("create_order")
    (end,) = in_child(child)
    assert (end["checkpoint"], end["correlation_id"]) == ("end", handed_over.correlation_id)
    recorder.lines()


def test_many_children_make_ids_of_their_own(recorder):
    def child():
        return [labkit.start("sign_in").complete().correlation_id for _ in range(5)]

    labkit.start("sign_in").complete()
    ids = [id for _ in range(8) for id in in_child(child)]
    assert len(set(ids)) == 40
    recorder.lines()


def record_and_take():
    from labkit._default import default
    from labkit.testing import Recorder

    labkit.start("create_order").complete()
    return [c["checkpoint"] for c in Recorder(default.client).checkpoints()]


def test_a_pool_of_forked_processes_records(recorder):
    labkit.start("create_order").complete()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.apply(record_and_take) == ["start", "end"]
    recorder.lines()


PROGRAMS = {
    "a process that just ends": """
        labkit.start("create_order", who="main")
    """,
    "a forked child that leaves by sys.exit": """
        import os
        labkit.start("create_order", who="main")
        pid = os.fork()
        if pid == 0:
            labkit.start("sign_in", who="child")
            sys.exit(0)
        os.waitpid(pid, 0)
    """,
    "a forked multiprocessing child": """
        import multiprocessing
        labkit.start("create_order", who="main")
        def work():
            labkit.start("sign_in", who="child")
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join()
    """,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_what_was_recorded_is_sent_at_exit(program, definitions):
    with tracker() as it:
        text = textwrap.dedent(f"""
            import sys, labkit
            labkit.configure(endpoint={it.url!r}, definitions={definitions!r}, batch_age_ms=60000)
        """) + textwrap.dedent(program)
        done = subprocess.run(
            # From 3.12 on Python warns of any fork beside a thread, as the README says.
            [sys.executable, "-W", "ignore:This process", "-c", text],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        expected = {"main", "child"} if "child" in program else {"main"}
        assert {c["meta"]["who"] for c in it.checkpoints} == expected
        assert len(it.checkpoints) == len(expected)
        assert len({e["instance_id"] for e in it.envelopes}) == len(expected)
