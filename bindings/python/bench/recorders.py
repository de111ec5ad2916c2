"""What is compared: three ways to record that something happened, and to export it."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import tempfile
import threading
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

DEFINITION = """\
description: A customer places an order
feature_category: checkout
urgency: sync_fast
"""
_LATER_S = 1.0
_BATCH = 512  # as OpenTelemetry's


class Recorder(Protocol):
    """What is asked of each."""

    def event(self, fields: dict[str, Any]) -> None:
        """Record an event, as the host's own code calls it."""

    def flush(self) -> None:
        """Return when all that was recorded is exported."""

    def lost(self) -> int:
        """Return how many events were not."""


class Labkit:
    """A checkpoint of an experience that goes on."""

    def __init__(self, endpoint: str) -> None:
        import labkit

        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "create_order.yml").write_text(DEFINITION, encoding="utf-8")
            self._client = labkit.configure(endpoint=endpoint, definitions=directory)
        self._order = labkit.start("create_order")

    def event(self, fields: dict[str, Any]) -> None:
        """Record a checkpoint."""
        self._order.checkpoint("packed", **fields)

    def flush(self) -> None:
        """Wait until all is acknowledged."""
        self._client.flush(30)

    def lost(self) -> int:
        """Return how many were dropped."""
        stats = self._client.stats()
        return stats["dropped"] + stats["rejected"] + stats["queued"]


class LabkitWhole(Labkit):
    """A whole experience: two checkpoints, its start and its end."""

    def event(self, fields: dict[str, Any]) -> None:
        """Record a start and an end."""
        self._client.start("create_order", **fields).complete()


class OpenTelemetry:
    """A span, exported by OTLP over HTTP, all at its defaults."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("bench")

    def event(self, fields: dict[str, Any]) -> None:
        """Record a span that is over at once."""
        self._tracer.start_span("create_order", attributes=fields or None).end()

    def flush(self) -> None:
        """Wait until all is exported."""
        self._provider.force_flush()

    def lost(self) -> int:
        """Return nothing: it does not tell. A round fits its queue."""
        return 0


class ByHand:
    """A queue, and a thread that posts what is in it to a tracker.

    As one would write it in an hour: nothing of it survives a fork, a tracker
    that is away, or an exit.
    """

    def __init__(self, endpoint: str) -> None:
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue(10_000)
        self._id = uuid.uuid4().hex
        self._correlation_id = uuid.uuid4().hex
        self._wake = threading.Event()
        self._lost = 0
        self._address = urlsplit(endpoint)
        threading.Thread(target=self._export, daemon=True).start()

    def event(self, fields: dict[str, Any]) -> None:
        """Put an event into the queue."""
        checkpoint: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "correlation_id": self._correlation_id,
            "user_experience_id": "create_order",
            "checkpoint": "intermediate",
            "checkpoint_category": "packed",
            "type": "web",
            "feature_category": "checkout",
            "urgency": "sync_fast",
            "client_timestamp": _now(),
        }
        if fields:
            checkpoint["meta"] = fields
        try:
            self._queue.put_nowait(checkpoint)
        except queue.Full:
            self._lost += 1

    def flush(self) -> None:
        """Wait until all is posted."""
        self._wake.set()
        self._queue.join()

    def lost(self) -> int:
        """Return how many did not fit."""
        return self._lost

    def _export(self) -> None:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port)
        while True:
            self._wake.wait(_LATER_S)
            self._wake.clear()
            while batch := self._drained():
                body = json.dumps(
                    {"sent_at": _now(), "instance_id": self._id, "checkpoints": batch}
                )
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/v1/checkpoints", body, headers)
                connection.getresponse().read()
                for _ in batch:
                    self._queue.task_done()

    def _drained(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = []
        with contextlib.suppress(queue.Empty):
            while len(batch) < _BATCH:
                batch.append(self._queue.get_nowait())
        return batch


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


RECORDERS: dict[str, Callable[[str], Recorder]] = {
    "labkit": Labkit,
    "labkit experience": LabkitWhole,
    "opentelemetry": OpenTelemetry,
    "by hand": ByHand,
}
