"""The client: configuration, and what it tells of itself."""

from __future__ import annotations

import datetime as dt

import pytest

import labkit
from labkit._default import default
from labkit.testing import Recorder


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"type": "Web"}, "type"),
        ({"definitions": None}, "definitions"),
        ({"definitions": "/nowhere"}, "definitions"),
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"transport": "pigeon"}, "transport"),
        ({"endpont": "http://x"}, "endpont"),
        ({"batch_items": 0}, "batch_items"),
        ({"non_local_exit": "maybe"}, "non_local_exit"),
    ],
)
def test_an_error_in_the_configuration_names_its_key(config, key, definitions):
    good = {"endpoint": "http://127.0.0.1:1", "definitions": definitions}
    with pytest.raises(labkit.ConfigurationError, match=key):
        labkit.Client(**{**good, **config})


def test_a_definition_that_is_wrong_is_an_error_where_strict(tmp_path):
    (tmp_path / "bad.yml").write_text("urgency: someday\n", encoding="utf-8")
    with pytest.raises(labkit.ConfigurationError, match=r"bad\.yml") as caught:
        labkit.Client(definitions=tmp_path, transport="memory", strict=True)
    assert caught.value.status == "invalid_definition"


def test_what_is_not_given_comes_from_the_environment(monkeypatch, definitions):
    monkeypatch.setenv("LABKIT_DEFINITIONS", definitions)
    monkeypatch.setenv("LABKIT_TYPE", "sidekiq")
    monkeypatch.setenv("LABKIT_STRICT", "True")
    monkeypatch.setenv("LABKIT_ENDPOINT", "ftp://from-the-environment")
    with pytest.raises(labkit.ConfigurationError, match="endpoint"):
        labkit.Client()
    client = labkit.Client(transport="memory")
    with pytest.raises(labkit.UnknownExperienceError):
        client.start("nobody")
    client.start("create_order")
    assert Recorder(client).checkpoints()[0]["type"] == "sidekiq"
    client.close()


def test_configure_again_replaces_the_client(definitions, monkeypatch):
    monkeypatch.setattr(default, "client", None)
    first = labkit.configure(definitions=definitions, transport="memory")
    second = labkit.configure(definitions=definitions, transport="memory")
    labkit.start("create_order").complete()
    assert (first.stats()["recorded"], second.stats()["recorded"]) == (0, 2)
    second.close()


def test_the_ledger_balances(recorder):
    labkit.start("create_order").checkpoint().complete()
    assert labkit.flush()
    stats = labkit.stats()
    assert stats["recorded"] == stats["acknowledged"] == 3
    assert stats["rejected"] == stats["queued"] == stats["dropped"] == stats["trimmed"] == 0


@pytest.mark.parametrize(
    "start",
    [
        1767607198.5,
        dt.datetime(2026, 1, 5, 9, 59, 58, 500_000, tzinfo=dt.timezone.utc),
        dt.datetime(2026, 1, 5, 9, 59, 58, 500_000, tzinfo=dt.timezone.utc).astimezone(
            dt.timezone(dt.timedelta(hours=9))
        ),
    ],
)
def test_a_start_time_is_a_datetime_or_seconds(recorder, start):
    recorder.set_clock(dt.datetime(2026, 1, 5, 10, tzinfo=dt.timezone.utc))
    labkit.observed("sign_in", start_time=start, outcome="error", reason=ValueError("no"), via="x")
    began, ended = recorder.checkpoints()
    assert began["client_timestamp"] == "2026-01-05T09:59:58.500Z"
    assert (ended["outcome"], ended["reason"], ended["meta"]) == ("error", "no", {"via": "x"})


def test_a_payload_may_be_an_object(recorder):
    recorder.set_clock(1767607200)
    labkit.record(
        {
            "correlation_id": "01KE6Y6MG0AAAAAAAAAAAAAAAA",
            "user_experience_id": "create_order",
            "checkpoint": "start",
            "type": "web",
            "feature_category": "checkout",
            "urgency": "custom",
            "client_timestamp": "2026-01-05T10:00:00.000Z",
        }
    )
    assert recorder.checkpoints()[0]["correlation_id"] == "01KE6Y6MG0AAAAAAAAAAAAAAAA"


def test_many_clients_may_be_opened_one_after_the_other(definitions):
    for _ in range(600):
        labkit.Client(definitions=definitions, transport="memory").close(0)
