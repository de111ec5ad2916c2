"""A shop in FastAPI: coroutines, threads, and work after the response."""

from __future__ import annotations

import asyncio
import contextlib
import os

import fastapi
from fastapi.responses import StreamingResponse

import labkit
import ledger
from labkit.middleware.asgi import ASGIMiddleware

labkit.configure()


@contextlib.asynccontextmanager
async def lifespan(_app):
    yield
    # The last of all that the application does: its end is sent nevertheless.
    labkit.start("boot").complete()


app = fastapi.FastAPI(lifespan=lifespan)
app.add_middleware(ASGIMiddleware, trust=lambda scope: scope["client"][0] == "127.0.0.1")


class WithLedger:
    """Writes the ledger once all below have shut down; uvicorn does not leave by Python's exit."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def sent(message):
            await send(message)
            if message["type"] == "lifespan.shutdown.complete":
                ledger.write()

        await self.app(scope, receive, sent)


app.add_middleware(WithLedger)


@app.post("/good")
@labkit.experience("create_order")
async def good(items: int = 1) -> dict[str, int]:
    await asyncio.sleep(0)  # other requests come between
    labkit.current("create_order").checkpoint("packed", items=items)
    return {"pid": os.getpid(), "items": items}


@app.post("/error")
@labkit.experience("create_order")
async def error():
    raise RuntimeError("declined")


@app.post("/threaded")
@labkit.experience("create_order")
def threaded():
    """FastAPI runs what is no coroutine in a thread."""
    labkit.current("create_order").handled("out_of_stock")


@app.post("/cancelled")
async def cancelled():
    async def order():
        async with labkit.experience("create_order"):
            await asyncio.Event().wait()

    task = asyncio.create_task(order())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@app.post("/afterwards")
async def afterwards(later: fastapi.BackgroundTasks):
    order = labkit.start("create_order")
    later.add_task(order.complete)


@app.post("/streamed")
async def streamed():
    async def parts():
        async with labkit.experience("create_order"):
            yield "packed\n"
            await asyncio.sleep(0)
            yield f"{labkit.current('create_order').active}\n"

    return StreamingResponse(parts())


@app.post("/finish")
async def finish():
    labkit.current("create_order").complete()
