"""What one would write instead of the tracker's edge: FastAPI on uvicorn.

The same fields are read and checked, and nothing is kept.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()


class Checkpoint(BaseModel):
    """One checkpoint, as it travels."""

    id: str | None = None
    correlation_id: str = Field(min_length=26, max_length=32)
    user_experience_id: str
    checkpoint: Literal["start", "intermediate", "end"]
    checkpoint_category: str | None = None
    type: str
    feature_category: str
    urgency: str
    client_timestamp: datetime
    outcome: str | None = None
    reason: str | None = None
    elapsed_ms: float | None = None
    meta: dict[str, Any] | None = None


class Batch(BaseModel):
    """One request."""

    sent_at: datetime
    instance_id: str | None = None
    checkpoints: list[Checkpoint]


class Answer(BaseModel):
    """What the client reads."""

    server_timestamp: datetime
    accepted: int
    duplicate: int
    rejected: list[int]


@app.post("/v1/checkpoints")
async def ingest(batch: Batch) -> Answer:
    """Takes in a batch."""
    now = datetime.now(UTC)
    return Answer(
        server_timestamp=now, accepted=len(batch.checkpoints), duplicate=0, rejected=[]
    )
