"""Programs that become several processes, each in another way: forks.py WAY COUNT.

The library is told nothing of any of it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import util

import labkit
import ledger


def configure():
    ledger.at_exit()
    labkit.configure(batch_age_ms=60_000)  # whatever is sent was not sent by chance


def order(_=None):
    """What each process does."""
    with labkit.experience("create_order", pid=os.getpid()):
        pass


def forget():
    """Leave by os._exit, as children of a raw fork do."""
    labkit.flush()
    ledger.write()
    os._exit(0)


def order_in_child(_=None):
    # multiprocessing's children run these in order of priority, ours last.
    util.Finalize(None, ledger.write, exitpriority=-100)
    order()


def order_in_fresh_child(_=None):
    """In a process that has inherited nothing, or whose parent never configured."""
    configure()
    order_in_child()


def waited(pids):
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def raw_fork(count):
    """Past Python's own hooks, as servers in C do that embed an interpreter."""
    libc = ctypes.PyDLL(None)  # keeps the GIL, or the child would have to take it
    pids = []
    with labkit.experience("create_order"):  # the parent's alone
        for _ in range(count):
            pid = libc.fork()
            if pid == 0:
                order()
                forget()
            pids.append(pid)
        waited(pids)


def fork_among_threads(count):
    """While four threads record, so that one of them may be inside the library."""
    done = threading.Event()

    def record():
        while not done.is_set():
            order()
            done.wait(0.001)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            order()
            forget()
        pids.append(pid)
    waited(pids)
    done.set()
    for thread in threads:
        thread.join()


def processes(method, target, count):
    made = [multiprocessing.get_context(method).Process(target=target) for _ in range(count)]
    for process in made:
        process.start()
    for process in made:
        process.join()
        assert process.exitcode == 0


def executor(method, count):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context, initializer=start_of(method)) as pool:
        list(pool.map(order, range(count)))


def start_of(method):
    return prepare if method == "fork" else prepare_fresh


def prepare():
    util.Finalize(None, ledger.write, exitpriority=-100)


def prepare_fresh():
    configure()
    prepare()


WAYS = {
    "raw fork": raw_fork,
    "os.fork among threads": fork_among_threads,
    "multiprocessing fork": lambda n: processes("fork", order_in_child, n),
    "multiprocessing forkserver": lambda n: processes("forkserver", order_in_fresh_child, n),
    "multiprocessing spawn": lambda n: processes("spawn", order_in_fresh_child, n),
    "executor fork": lambda n: executor("fork", n),
    "executor forkserver": lambda n: executor("forkserver", n),
    "executor spawn": lambda n: executor("spawn", n),
}

if __name__ == "__main__":
    configure()
    order()
    WAYS[sys.argv[1]](int(sys.argv[2]))
