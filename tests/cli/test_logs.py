"""What is logged: a line for each event, in the form that was asked for, and nobody's address in a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from app.main import set_up_logs


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def failing() -> None:
    address, log = "alice@example.com", structlog.get_logger()
    try:
        raise ValueError(str(len(address)))
    except ValueError:
        log.exception("work_failed", work="letterbox")


def test_a_traceback_shows_code_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("console")
    failing()
    said = capsys.readouterr().out
    assert "work_failed" in said
    assert "ValueError: 17" in said
    assert "in failing" in said
    assert "alice@" not in said
    assert len(said) < 2_000


def test_json_is_one_object_for_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json")
    failing()
    structlog.get_logger().warning("صف")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["event"], first["level"], first["work"]) == ("work_failed", "error", "letterbox")
    assert "ValueError: 17" in first["exception"]
    assert "alice@" not in str(first)
    assert second["event"] == "صف"
    assert second["timestamp"].endswith("Z")
