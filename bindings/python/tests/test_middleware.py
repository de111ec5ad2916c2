"""HTTP: a scope per request, and the carrier from those who are trusted."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from wsgiref.util import FileWrapper

import pytest

import labkit
from labkit._default import default
from labkit.middleware import HEADER, carrier_headers
from labkit.middleware.asgi import ASGIMiddleware
from labkit.middleware.wsgi import WSGIMiddleware

ENVIRON = "HTTP_" + HEADER.upper().replace("-", "_")


@pytest.fixture
def header(recorder):
    """The header of a peer with one active experience."""
    with labkit.isolate():
        labkit.start("create_order")
        value = carrier_headers()[HEADER]
    recorder.lines()
    return value


def test_the_header_is_base64url_json_without_padding(recorder):
    assert carrier_headers() == {}
    labkit.start("create_order")
    value = carrier_headers()[HEADER]
    assert "=" not in value
    assert base64.urlsafe_b64decode(value + "==").decode() == labkit.carrier()
    recorder.lines()


def test_the_header_never_exceeds_4_kib(tmp_path):
    text = "description: d\nfeature_category: f\nurgency: sync_fast\n"
    ids = [f"{'long_' * 12}{n:03}" for n in range(40)]
    for id in ids:
        (tmp_path / f"{id}.yml").write_text(text, encoding="utf-8")
    with labkit.testing.recording(tmp_path) as recorder:
        for id in ids:
            labkit.start(id)
        value = carrier_headers()[HEADER]
        assert 3500 < len(value) <= 4096
        carrier = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        assert all(labkit.resume(id, carrier).active for id in json.loads(carrier))
        recorder.lines()


# --- WSGI -----------------------------------------------------------------------


def serve(app, environ):
    response = app(environ, lambda *_: None)
    try:
        return b"".join(response)
    finally:
        if hasattr(response, "close"):
            response.close()


def test_wsgi_by_default_takes_a_carrier_from_nobody(recorder, header):
    app = WSGIMiddleware(lambda *_: [str(labkit.current("create_order").active).encode()])
    assert serve(app, {ENVIRON: header}) == b"False"
    assert recorder.lines() == []


def test_wsgi_takes_a_carrier_from_whom_the_application_trusts(recorder, header):
    def app(*_):
        with labkit.current("create_order"):
            return [b"done"]

    trusting = WSGIMiddleware(app, trust=lambda environ: environ["REMOTE_ADDR"] == "10.0.0.1")
    assert serve(trusting, {ENVIRON: header, "REMOTE_ADDR": "192.0.2.1"}) == b"done"
    assert recorder.lines() == []
    known = {ENVIRON: header, "REMOTE_ADDR": "10.0.0.1", "HTTP_X_REQUEST_ID": "r1"}
    assert serve(trusting, known) == b"done"
    resumed, end = recorder.checkpoints()
    assert resumed["checkpoint_category"] == "http_request_started"
    assert resumed["meta"] == {"request_correlation_id": "r1"}
    assert end["outcome"] == "success"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("01KE6Y6MG0AAAAAAAAAAAAAAAA", True),
        ("2b7e1516-28ae_d2a6:abf7.1588/x@y+z=", True),
        ("", False),
        ("a b", False),
        ("naïve", False),
        ('"},{"', False),
        ("x" * 129, False),
    ],
)
def test_what_a_request_starts_carries_its_own_id(recorder, sent, kept):
    meta = {"request_correlation_id": sent} if kept else None

    def app(*_):
        with labkit.experience("create_order"):
            return [b""]

    async def async_app(*_):
        labkit.start("create_order", request_correlation_id="mine").discard()
        with labkit.isolate():
            labkit.start("create_order").discard()
        with labkit.experience("create_order"):
            pass

    serve(WSGIMiddleware(app), {"HTTP_X_REQUEST_ID": sent})
    assert [c.get("meta") for c in recorder.checkpoints()] == [meta, meta]
    request(ASGIMiddleware(async_app), [(b"x-request-id", sent.encode("latin-1"))])
    mine = {"request_correlation_id": "mine"}
    metas = [c.get("meta") for c in recorder.checkpoints()]
    assert metas == [mine, None, None, None, meta, meta]
    labkit.start("create_order").discard()
    assert "meta" not in recorder.checkpoints()[0]


def test_a_wsgi_request_leaves_nothing_to_the_next(recorder):
    def app(*_):
        seen = labkit.current("create_order").active
        labkit.start("create_order")
        return [str(seen).encode()]

    wrapped = WSGIMiddleware(app)
    assert [serve(wrapped, {}), serve(wrapped, {})] == [b"False", b"False"]
    assert not labkit.current("create_order").active
    recorder.lines()


def test_a_wsgi_request_sees_nothing_of_what_is_active_where_it_is_served(recorder):
    """As in a server that was forked in the middle of an experience."""
    with labkit.experience("create_order") as outer:
        app = WSGIMiddleware(lambda *_: [str(labkit.current("create_order").active).encode()])
        assert serve(app, {}) == b"False"
        assert labkit.current("create_order") is outer
    recorder.lines()


def test_a_wsgi_response_is_made_in_its_requests_scope_to_the_last_byte(recorder):
    closed = []

    def app(*_):
        with labkit.experience("create_order") as order:
            try:
                yield b"a"
                yield str(labkit.current("create_order") is order).encode()
            finally:
                closed.append(labkit.current("create_order") is order)

    wrapped = WSGIMiddleware(app)
    first, second = wrapped({}, None), wrapped({}, None)
    # Two requests of one thread, as a server with green threads interleaves them.
    assert [next(first), next(second), next(first)] == [b"a", b"a", b"True"]
    second.close()
    assert list(first) == []
    assert closed == [True, True]
    assert not labkit.current("create_order").active
    ends = [c["outcome"] for c in recorder.checkpoints() if c["checkpoint"] == "end"]
    assert sorted(ends) == ["handled", "success"]


def test_a_wsgi_servers_own_file_wrapper_passes_untouched(recorder):
    wrapper = FileWrapper(io.BytesIO(b"file"))
    app = WSGIMiddleware(lambda *_: wrapper)
    assert app({"wsgi.file_wrapper": FileWrapper}, None) is wrapper


@pytest.mark.parametrize(
    "value", ["!", "x" * 5000, "e30", "W10", "bm90IGpzb24", base64.b64encode(b"\xff").decode()]
)
def test_a_header_that_cannot_be_read_is_as_none(recorder, value):
    app = WSGIMiddleware(lambda *_: [b"served"], trust=lambda _: True)
    assert serve(app, {ENVIRON: value}) == b"served"
    assert recorder.lines() == []


def test_ids_that_have_no_definition_here_are_passed_over(recorder, header, log):
    carrier = json.loads(base64.urlsafe_b64decode(header + "=="))
    carrier["elsewhere"] = carrier["create_order"]
    value = base64.urlsafe_b64encode(json.dumps(carrier).encode()).rstrip(b"=").decode()
    app = WSGIMiddleware(lambda *_: [b"served"], trust=lambda _: True)
    assert serve(app, {ENVIRON: value}) == b"served"
    assert len(recorder.lines()) == 1
    assert any("elsewhere" in line for line in log())


def test_a_trust_that_raises_is_a_no(recorder, header, log):
    def trust(_):
        raise KeyError("REMOTE_ADDR")

    app = WSGIMiddleware(lambda *_: [b"served"], trust=trust)
    assert serve(app, {ENVIRON: header}) == b"served"
    assert recorder.lines() == []
    assert any("trust()" in line for line in log())


# --- ASGI -----------------------------------------------------------------------


def request(app, headers=(), kind="http"):
    scope = {"type": kind, "headers": list(headers)}
    asyncio.run(app(scope, None, None))


def test_asgi_takes_a_carrier_only_from_whom_the_application_trusts(recorder, header):
    seen = []

    async def app(*_):
        seen.append(labkit.current("create_order").active)

    arrived = [(HEADER.lower().encode(), header.encode()), (b"x-request-id", b"r1")]
    request(ASGIMiddleware(app), arrived)
    request(ASGIMiddleware(app, trust=lambda _: False), arrived)
    request(ASGIMiddleware(app, trust=lambda _: True), arrived)
    assert seen == [False, False, True]
    (resumed,) = recorder.checkpoints()
    assert resumed["meta"] == {"request_correlation_id": "r1"}


def test_an_asgi_request_leaves_nothing_to_the_next_on_its_task(recorder):
    seen = []

    async def app(*_):
        seen.append(labkit.current("create_order").active)
        labkit.start("create_order")

    async def keep_alive():
        for _ in range(2):
            await ASGIMiddleware(app)({"type": "http", "headers": []}, None, None)

    asyncio.run(keep_alive())
    assert seen == [False, False]
    recorder.lines()


def test_asgi_lifespan_passes_untouched(recorder):
    seen = []

    async def app(scope, *_):
        seen.append(scope["type"])

    request(ASGIMiddleware(app), kind="lifespan")
    assert seen == ["lifespan"]


class Server:
    """A server's side of the lifespan protocol."""

    def __init__(self):
        self.asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        self.told = []

    async def receive(self):
        return next(self.asked)

    async def send(self, message):
        self.told.append((message["type"], labkit.stats()["queued"]))

    def live(self, app):
        asyncio.run(ASGIMiddleware(app)({"type": "lifespan"}, self.receive, self.send))


def test_an_asgi_application_has_sent_all_when_it_says_that_it_is_down(recorder):
    async def app(_scope, receive, send):
        for _ in range(2):
            labkit.start("create_order")
            message = await receive()
            await send({"type": f"{message['type']}.complete"})

    server = Server()
    server.live(app)
    assert [kind for kind, _ in server.told] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert server.told[1] == ("lifespan.shutdown.complete", 0)
    assert len(recorder.lines()) == 3


def test_for_an_asgi_application_without_a_lifespan_the_same_is_done(recorder):
    async def app(*_):
        labkit.start("create_order")
        raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")

    server = Server()
    server.live(app)
    assert [kind for kind, _ in server.told][1:] == ["lifespan.shutdown.complete"]
    assert server.told[1][1] == 0
    recorder.lines()


def test_what_an_asgi_application_raises_in_its_life_is_raised_on(recorder):
    async def app(_scope, receive, _send):
        await receive()
        raise RuntimeError("no database")

    server = Server()
    with pytest.raises(RuntimeError, match="no database"):
        server.live(app)
    assert server.told == []


def test_an_asgi_application_may_close_its_client_before_it_is_down(definitions, monkeypatch):
    client = labkit.Client(definitions=definitions, transport="memory", strict=True)
    monkeypatch.setattr(default, "client", client)

    async def app(_scope, _receive, send):
        client.close()
        await send({"type": "lifespan.shutdown.complete"})

    told = []

    async def send(message):
        told.append(message["type"])

    asyncio.run(ASGIMiddleware(app)({"type": "lifespan"}, Server().receive, send))
    assert told == ["lifespan.shutdown.complete"]
