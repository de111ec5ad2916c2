"""Celery: experiences that go on in a task.

    labkit.celery.install()

Once, where the Celery application is made: in producers and in workers. What
is active when a task is published is handed over with it, and is
`labkit.current(id)` in the task. The task runs in a scope of its own, also
where it runs inline, and completes nothing that it does not complete itself.
"""

from __future__ import annotations

import importlib

from labkit import _carrier
from labkit._arrival import resume_all, tend
from labkit._context import active, isolate
from labkit._default import carrier, shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PUBLISHED = "celery_task_published"
_STARTED = "celery_task_started"
_SCOPE = "_labkit_scope"


def install(signals: Any = None) -> None:
    """Connect to Celery's signals, or to any object that has the same ones. Safe to repeat."""
    if signals is None:
        signals = importlib.import_module("celery.signals")  # only its users have it
    for signal, receiver in (
        (signals.before_task_publish, _before_publish),
        (signals.task_prerun, _before_run),
        (signals.task_postrun, _after_run),
        (signals.worker_process_shutdown, _before_exit),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"labkit.{receiver.__name__}")


def _before_publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    here = active.get()
    if not here or headers is None:
        return
    for experience in here.values():
        experience.checkpoint(_PUBLISHED)
    headers[_carrier.JOB_KEY] = carrier()


def _before_run(task_id: str | None = None, task: Any = None, **_: Any) -> None:
    request = task.request
    scope = isolate(request_correlation_id=task_id)
    setattr(request, _SCOPE, scope)
    scope.__enter__()
    brought = getattr(request, _carrier.JOB_KEY, None)
    if brought:
        resume_all(brought, task_id, _STARTED)
    tend()


def _after_run(task: Any = None, **_: Any) -> None:
    scope = getattr(task.request, _SCOPE, None)
    if scope is not None:
        scope.__exit__(None, None, None)


def _before_exit(**_: Any) -> None:
    # A pool's child leaves by os._exit, past atexit.
    shutdown()
