"""A server that takes in whatever is exported: its address on standard output.

It runs in a process of its own, so that its work is nobody's figure.
"""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(BaseHTTPRequestHandler):
    """Answers labkit as a tracker does, and all others with an empty 200."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Take one request in."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.acknowledged(body) if self.path == "/v1/checkpoints" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer)

    def acknowledged(self, body: bytes) -> bytes:
        """Return a tracker's answer."""
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        batch = json.loads(body)
        return json.dumps(
            {
                "server_timestamp": batch["sent_at"],
                "accepted": len(batch["checkpoints"]),
                "duplicate": 0,
                "rejected": [],
            }
        ).encode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
