"""The description against a running server: schemathesis makes up requests by
it, good ones and bad ones, and judges what comes back."""

import hashlib
import pathlib
import subprocess
import sys

import pytest
import schemathesis
from page_tracker import PATIENCE_S, Tracker, checkpoint, iso, now_ms, ulid

KEY = "secret"
CONFIG = f"""
[[keys]]
name = "all"
tenant = "here"
sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"
"""
# That a good checkpoint is taken in is not for a description to say: its id must
# be defined, and its time near the present. The second test has such ones.
SETTINGS = """
[[operations]]
include-operation-id = "sendCheckpoints"
[operations.checks]
positive_data_acceptance.enabled = false
"""
SHOW = "/v1/experiences/{user_experience_id}/{correlation_id}"
TIMELINE = "/experiences/{user_experience_id}/{correlation_id}"


@pytest.fixture(scope="module")
def tracker():
    with Tracker(config=CONFIG) as tracker:
        tracker.key = KEY
        yield tracker


@pytest.fixture(scope="module")
def description(tracker):
    return schemathesis.openapi.from_url(f"{tracker.url}/openapi.json")


def test_no_request_is_answered_otherwise_than_described(tracker, tmp_path):
    command = [
        pathlib.Path(sys.executable).with_name("st"),
        *["run", f"{tracker.url}/openapi.json", "--header", f"Authorization: Bearer {KEY}"],
        *["--phases", "coverage,fuzzing", "--max-examples", "30", "--generation-deterministic"],
        *["--continue-on-failure", "--warnings", "off", "--no-color"],
    ]
    # In a directory of its own it finds its settings, and may leave what it likes.
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, check=False, text=True, timeout=5 * PATIENCE_S
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_each_answer_to_a_request_that_is_meant_is_as_described(tracker, description):
    ids = {"user_experience_id": "move_card", "correlation_id": ulid(now_ms())}
    held = {"user_experience_id": "load_comments", "correlation_id": ulid(now_ms())}
    start = checkpoint("move_card", ids["correlation_id"], "start", meta={"project_id": 7})
    end = checkpoint(
        "move_card",
        ids["correlation_id"],
        "end",
        outcome="error",
        reason="it is locked",
        elapsed_ms=1.5,
    )
    stray = checkpoint("load_comments", held["correlation_id"], "end")
    batch = {"sent_at": iso(now_ms()), "checkpoints": [start, end, stray, {"what": "is this"}]}
    alone = {**start, "correlation_id": ulid(now_ms()), "id": ulid(now_ms())}
    wrong = {**alone, "user_experience_id": "nobody_knows_it"}
    many = {"sent_at": iso(now_ms()), "checkpoints": [{}] * 501}
    stale = {"state": "stale", "limit": 1}
    for expected, method, path, parts in [
        (200, "post", "/v1/checkpoints", {"body": alone}),
        (200, "post", "/v1/checkpoints", {"body": batch}),
        (422, "post", "/v1/checkpoints", {"body": wrong}),
        (413, "post", "/v1/checkpoints", {"body": many}),
        (400, "post", "/v1/checkpoints", {"body": []}),
        (200, "get", "/v1/experiences", {"query": {}}),
        (200, "get", "/v1/experiences", {"query": stale}),
        (400, "get", "/v1/experiences", {"query": {"limit": 0}}),
        (200, "get", SHOW, {"path_parameters": ids}),
        (200, "get", SHOW, {"path_parameters": held}),
        (404, "get", SHOW, {"path_parameters": {**ids, "user_experience_id": "run_pipeline"}}),
        (200, "get", TIMELINE, {"path_parameters": ids}),
        (404, "get", TIMELINE, {"path_parameters": {**ids, "user_experience_id": "run_pipeline"}}),
        *((200, "get", path, {}) for path in ["/", "/metrics", "/metrics/sli", "/openapi.json"]),
        *((200, "get", path, {}) for path in ["/-/liveness", "/-/readiness"]),
    ]:
        parts["headers"] = {"Authorization": f"Bearer {KEY}"}
        if "body" in parts:
            parts["media_type"] = "application/json"
        case = description[path][method].Case(**parts)
        answer = case.call()
        assert answer.status_code == expected, f"{method} {path}: {answer.text}"
        case.validate_response(answer)
