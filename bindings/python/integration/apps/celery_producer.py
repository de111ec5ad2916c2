"""Orders: each is started here, and ends in a worker."""

from __future__ import annotations

import ledger

ledger.at_exit()

import celery_shop as shop  # noqa: E402 - it configures the client, whose exit comes first
import labkit  # noqa: E402 - as above

for task in (shop.pack,) * 12 + (shop.decline, shop.pack_at_the_third_try, shop.inline) * 4:
    with labkit.isolate():
        labkit.start("create_order")
        task.delay()

# Fan-out: three tasks go on with one experience, which ends here.
with labkit.experience("create_order"):
    for _ in range(3):
        shop.part.delay()

with labkit.isolate():
    labkit.start("lost_order")
    shop.lose.delay()

# Inline, within an experience of the producer's own.
with labkit.experience("create_order") as order:
    assert shop.look.apply().successful()
    assert labkit.current("create_order") is order
