"""Celery's prefork pool, by a Redis: an experience goes on where its task runs."""

from __future__ import annotations

import sys

from support import APPS, run, serving


def test_every_experience_ends_once_as_it_should(broker, tracker, ledgers, environment, tmp_path):
    environment["BROKER"] = broker
    command = (
        *("celery", "--app", "celery_shop", "worker", "--pool", "prefork", "--concurrency", "2"),
        # Children are replaced, so that the parent forks again and again.
        *("--max-tasks-per-child", "8", "--without-mingle", "--without-gossip"),
        *("--loglevel", "INFO"),
    )
    in_worker = {**environment, "SHOP_TYPE": "worker"}
    with serving(command, in_worker, r"(celery@\S+) ready", tmp_path):
        run([sys.executable, APPS / "celery_producer.py"], environment)
        outcomes = tracker.outcomes(12 + 3 * 4 + 4 + 1 + 1 + 2)
    assert outcomes == {
        ("create_order", "success"): 12 + 4 + 4 + 1 + 2,
        ("create_order", "error"): 4,
        ("create_order", "handled"): 4,
        ("lost_order", "timeout"): 1,
    }
    categories = [e.get("checkpoint_category") for e in tracker.events()]
    assert categories.count("tried") == 4 * 3
    assert categories.count("part") == 3
    assert len({e["pid"] for e in tracker.events() if "pid" in e}) >= 2
    assert ledgers.add_up() == tracker.accepted()
