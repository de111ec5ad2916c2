"""A shop in nothing but WSGI, for uWSGI, which embeds the system's Python."""

from __future__ import annotations

import os

import labkit
import ledger
from labkit.middleware.wsgi import WSGIMiddleware

ledger.at_exit()
labkit.configure()

# The library's thread runs in whoever loads this: with preloading the master,
# before it forks.
with labkit.experience("boot", pid=os.getpid()):
    pass
assert labkit.flush()
ledger.write()  # the master leaves without the interpreter's exit


@labkit.experience("create_order")
def good():
    labkit.current("create_order").checkpoint("packed")


@labkit.experience("create_order")
def error():
    raise RuntimeError("declined")


def handled():
    with labkit.experience("create_order") as order:
        order.handled("out_of_stock")


def lost():
    labkit.start("lost_order")


WISHES = {"/good": good, "/error": error, "/handled": handled, "/lost": lost}


def shop(environ, start_response):
    """Do what the path says; answer with who did."""
    try:
        WISHES[environ["PATH_INFO"]]()
        status = "200 OK"
    except RuntimeError:
        status = "500 Declined"
    start_response(status, [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


application = WSGIMiddleware(shop)
