"""A tracker small enough for a test: checks each envelope, and acknowledges all."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ENVELOPE = {"sent_at", "instance_id", "sdk", "recorded", "dropped", "checkpoints"}
CHECKPOINT = {
    "correlation_id",
    "user_experience_id",
    "checkpoint",
    "type",
    "feature_category",
    "urgency",
    "client_timestamp",
    "id",
}


class Tracker:
    def __init__(self):
        self.envelopes = []
        self.tokens = []
        self.complaints = []
        self.url = None

    @property
    def checkpoints(self):
        return [checkpoint for envelope in self.envelopes for checkpoint in envelope["checkpoints"]]

    def take(self, headers, body):
        if headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        envelope = json.loads(body)
        missing = ENVELOPE - envelope.keys()
        missing |= {key for item in envelope["checkpoints"] for key in CHECKPOINT - item.keys()}
        if missing or headers["Content-Type"] != "application/json":
            self.complaints.append((sorted(missing), headers["Content-Type"]))
        self.envelopes.append(envelope)
        self.tokens.append(headers["Authorization"])
        return {
            "server_timestamp": envelope["sent_at"],
            "accepted": len(envelope["checkpoints"]),
            "duplicate": 0,
            "rejected": [],
        }


@contextlib.contextmanager
def tracker():
    """Run one on a free port."""
    it = Tracker()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            if self.path != "/v1/checkpoints":
                it.complaints.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = json.dumps(it.take(self.headers, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert it.complaints == []
