"""Celery, by its signals: what is active goes with the task and on in it."""

from __future__ import annotations

import types

import pytest

import labkit
import labkit.celery


class Signal:
    def __init__(self):
        self.receivers = {}

    def connect(self, receiver, *, weak, dispatch_uid):
        assert not weak
        self.receivers[dispatch_uid] = receiver

    def send(self, **given):
        for receiver in self.receivers.values():
            receiver(sender=None, signal=self, **given)


@pytest.fixture
def signals():
    names = ("before_task_publish", "task_prerun", "task_postrun", "worker_process_shutdown")
    made = types.SimpleNamespace(**{name: Signal() for name in names})
    labkit.celery.install(made)
    labkit.celery.install(made)
    return made


def task_of(headers):
    return types.SimpleNamespace(request=types.SimpleNamespace(**headers))


def test_an_experience_goes_on_in_the_task(recorder, signals):
    headers = {"id": "t1"}
    order = labkit.start("create_order")
    signals.before_task_publish.send(headers=headers, body=())
    assert headers["labkit_user_experiences"] == order.carrier()

    task = task_of(headers)
    with labkit.isolate():  # another process
        signals.task_prerun.send(task_id="t1", task=task)
        labkit.current("create_order").complete()
        signals.task_postrun.send(task_id="t1", task=task)
    checkpoints = recorder.checkpoints()
    sent = [(c["checkpoint"], c.get("checkpoint_category")) for c in checkpoints]
    assert sent == [
        ("start", None),
        ("intermediate", "celery_task_published"),
        ("intermediate", "celery_task_started"),
        ("end", None),
    ]
    assert checkpoints[2]["meta"] == {"request_correlation_id": "t1"}


def test_a_task_that_runs_inline_sees_nothing_and_restores_the_outer_scope(recorder, signals):
    order = labkit.start("create_order")
    task = task_of({})
    signals.task_prerun.send(task_id="t1", task=task)
    assert not labkit.current("create_order").active
    labkit.start("create_order").complete()
    signals.task_postrun.send(task_id="t1", task=task)
    assert labkit.current("create_order") is order
    assert order.active
    recorder.lines()


def test_with_nothing_active_a_task_is_published_as_it_is(recorder, signals):
    headers = {}
    signals.before_task_publish.send(headers=headers)
    assert headers == {}


def test_a_pools_child_sends_what_it_has_before_it_leaves(recorder, signals):
    labkit.start("create_order").complete()
    signals.worker_process_shutdown.send(pid=1, exitcode=0)
    assert len(recorder.lines()) == 2
    assert labkit.stats()["acknowledged"] == 2
