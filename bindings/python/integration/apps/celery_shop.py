"""A shop whose orders are packed by Celery."""

from __future__ import annotations

import os

import celery
from celery.signals import worker_process_shutdown

import labkit
import labkit.celery
import ledger

labkit.configure(type=os.environ.get("SHOP_TYPE", "web"))
labkit.celery.install()
worker_process_shutdown.connect(ledger.write, weak=False)  # after the library's own

app = celery.Celery("shop", broker=os.environ["BROKER"])
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@app.task
def pack():
    labkit.current("create_order").checkpoint("packed", pid=os.getpid()).complete()


@app.task
def decline():
    with labkit.current("create_order"):
        raise RuntimeError("declined")


@app.task(bind=True, max_retries=3)
def pack_at_the_third_try(self):
    order = labkit.current("create_order").checkpoint("tried")
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    order.complete()


@app.task
def inline():
    """Run another task in place: it sees nothing of this one's, and ends nothing."""
    order = labkit.current("create_order")
    assert look.apply().successful()
    order.handled("inline").complete()


@app.task
def look():
    assert not labkit.current("create_order").active
    labkit.start("create_order", who="inline").complete()


@app.task
def part():
    labkit.current("create_order").checkpoint("part")


@app.task
def lose():
    """Die in the middle of the order; what the child did before is sent."""
    labkit.flush()
    ledger.write()
    os._exit(1)
