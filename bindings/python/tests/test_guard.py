"""Without the GIL: one thread at a time per experience."""

from __future__ import annotations

import sys
import threading

from labkit import _guard, _native


def test_no_two_threads_are_inside_one_experience():
    inside, most = [], []
    turn = threading.Barrier(4)

    def call(_experience, name):
        inside.append(name)
        most.append(len(inside))
        threading.Event().wait(0.001)  # lets another thread in, if any can come
        inside.remove(name)
        return 0

    guarded = _guard.one_at_a_time(call)
    experience = _native.new_experience()

    def work(name):
        turn.wait()
        for _ in range(5):
            guarded(experience, name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 20


def test_a_lock_that_a_fork_left_held_is_forgotten():
    for lock in _guard._locks:
        lock.acquire()
    _guard.renew()
    assert _guard.one_at_a_time(lambda _: 7)(object()) == 7


def test_with_the_gil_no_call_pays_for_it(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert not _guard.is_needed()
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert _guard.is_needed()
    guarded = _native._cold("labkit_experience_is_active")
    assert guarded.__name__ == "guarded"
    assert guarded(_native.new_experience()) is False
    assert _native._cold("labkit_client_free") is not guarded
