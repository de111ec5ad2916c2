"""A shop in Flask, for a server that loads it once and then forks."""

from __future__ import annotations

import os

import flask

import labkit
import ledger
from labkit.middleware.wsgi import WSGIMiddleware

ledger.at_exit()
labkit.configure()

# The library's thread runs in the parent before the first fork.
with labkit.experience("boot"):
    assert labkit.start("create_order").complete()
assert labkit.flush()

app = flask.Flask(__name__)
app.wsgi_app = WSGIMiddleware(app.wsgi_app, trust=lambda environ: "HTTP_X_PEER" in environ)


@app.post("/good")
@labkit.experience("create_order")
def good():
    labkit.current("create_order").checkpoint("packed", pid=os.getpid())
    return str(os.getpid())


@app.post("/error")
@labkit.experience("create_order")
def error():
    raise RuntimeError("declined")


@app.post("/handled")
def handled():
    with labkit.experience("create_order") as order:
        order.handled("out_of_stock")
    return "", 409


@app.post("/lost")
def lost():
    labkit.start("lost_order")
    return ""


@app.post("/streamed")
def streamed():
    def parts():
        with labkit.experience("create_order"):
            yield "packed\n"
            yield f"{labkit.current('create_order').active}\n"

    return flask.Response(parts())


@app.post("/finish")
def finish():
    labkit.current("create_order").complete()
    return ""
