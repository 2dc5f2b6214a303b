"""The commands of tracking: keys that are shown once, and verdicts judged again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.store import keys
from app.store.engine import open_database

Parvar = Callable[..., Result]


@pytest.fixture
def parvar(sqlite_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parvar:
    monkeypatch.setenv("PARVAR_DATABASE_URL", sqlite_database_url)
    monkeypatch.setenv("PARVAR_SECRET", "a secret of this test, long enough for it")
    monkeypatch.setenv("PARVAR_DATA", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(main, list(arguments))


def test_a_key_is_printed_once_and_ends_when_it_is_revoked(parvar: Parvar, sqlite_database_url: str) -> None:
    key = parvar("keys", "create", "shop").stdout.strip()
    (listed,) = json.loads(parvar("keys", "list", "--json").stdout)
    assert (listed["name"], listed["prefix"], listed["revoked_at"]) == ("shop", key[:12], None)
    assert key not in parvar("keys", "list").stdout
    database = open_database(sqlite_database_url)
    with database.transaction("read") as session:
        assert keys.find_key(session, key) is not None
        assert keys.find_key(session, key[:-1]) is None
    assert parvar("keys", "revoke", key[:12]).exit_code == 0
    with database.transaction("read") as session:
        assert keys.find_key(session, key) is None
    assert parvar("keys", "revoke", key[:12]).exit_code == 1
    database.dispose()


def test_judging_again_says_how_many_verdicts_changed(parvar: Parvar) -> None:
    for since in ("30d", "2026-01-01"):
        done = parvar("verdicts", "recompute", "--since", since, "--json")
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"changed": 0})
    assert parvar("verdicts", "recompute", "--since", "yesterday").exit_code == 2


def test_counters_that_say_what_the_facts_say_are_no_fault(parvar: Parvar) -> None:
    done = parvar("verdicts", "prove")
    assert (done.exit_code, done.stdout) == (0, "0 counters differ\n")
