"""`parvar messages` as its user has it: lists with filters, decisions about many after a look, and plain refusals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from app.actions.progress import LaneProgress
from app.cli.messages import _lanes, messages
from app.core.instants import DAY, HOUR, SECOND
from app.main import wall
from app.store.engine import open_database
from app.store.messages import MessageRow
from tests.actions.post_office import PostOffice, open_office
from tests.services.clock import Clock


@pytest.fixture
def office(sqlite_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """An office by today's clock, for the commands take theirs from the machine."""
    monkeypatch.setenv("PARVAR_DATABASE_URL", sqlite_database_url)
    monkeypatch.setenv("PARVAR_SECRET", "k3Jf93hSLq0aZx72mWvB1nTyR8cDpE5u")
    monkeypatch.setenv("PARVAR_DATA", str(tmp_path))
    database = open_database(sqlite_database_url)
    with open_office(database, tmp_path, Clock(wall() - DAY)) as office:
        yield office
    database.dispose()


def troubled(office: PostOffice, name: str, state: str = "uncertain", **more: object) -> int:
    mail = office.mail(office.person(name))
    values = {"state": state, "settled_at": office.clock(), "reason": "no_answer", "campaign": "welcome", **more}
    office.change(MessageRow, mail, **values)
    return mail


def run(*arguments: str) -> Result:
    return CliRunner().invoke(messages, arguments)


def listed(*arguments: str) -> list[int]:
    return [each["id"] for each in json.loads(run("list", "--json", *arguments).stdout)]


def test_how_it_goes_is_told_again_until_the_reader_has_seen_enough(office: PostOffice) -> None:
    command = [sys.executable, "-m", "app.cli", "messages", "progress", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        assert watching.stdout is not None
        told = [watching.stdout.readline() for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC\n", told[0])
    assert told[1] == "No worker gives a sign of life.\n"
    assert "Aborted" not in rest
    assert "Traceback" not in rest
    assert watching.returncode == 1, "no worker lived at the last look"


def test_lanes_are_told_in_the_columns_somebody_has_something_in() -> None:
    def columns(*lanes: LaneProgress) -> list[str]:
        console = Console(width=100, file=StringIO())
        console.print(_lanes(lanes))
        assert isinstance(console.file, StringIO)
        return re.split(r" {2,}", console.file.getvalue().splitlines()[0].strip())

    assert columns(LaneProgress("google", due=3)) == ["Lane", "Due", "Later"]
    resting = LaneProgress("yahoo", later=2, deferred=1, rests_for=90 * SECOND)
    assert columns(LaneProgress("google", due=3), resting) == ["Lane", "Due", "Later", "Put off", "Rests"]


def test_mails_are_found_by_state_campaign_lane_reason_and_age(office: PostOffice) -> None:
    old = troubled(office, "alice", campaign="", reply="421 [TSS04] later, 100%")
    google = troubled(office, "bob", lane="google")
    parked = troubled(office, "carol", "parked", reason="not_rendered")
    young = troubled(office, "dave", settled_at=wall() - HOUR)
    waiting = troubled(office, "erin", "waiting", settled_at=None)
    troubled(office, "frank", "sent")
    assert listed() == [old, google, parked, young]
    assert listed("--state", "waiting") == [waiting]
    assert listed("--state", "parked", "--state", "waiting") == [parked, waiting]
    assert listed("--campaign", "") == [old]
    assert listed("--lane", "google") == [google]
    assert listed("--reason", "not_rendered") == listed("--campaign", "welcome", "--state", "parked") == [parked]
    assert listed("--reason", "tss04") == [old]
    assert listed("--reason", "1_0%") == [], "no wildcards"
    assert listed("--older-than", "2h") == [old, google, parked]
    assert listed("--limit", "1") == [old]
    assert "3 more: --limit 4" in run("list", "--limit", "1").output
    assert "alice@example.com" in run("list").output


def test_many_are_decided_about_after_a_look_and_never_by_chance(office: PostOffice) -> None:
    mine = [troubled(office, f"p{n}") for n in range(3)]
    other = troubled(office, "other", campaign="digest")
    look = run("resolve", "--resend", "--all", "--campaign", "welcome", "--dry-run")
    assert look.exit_code == 0
    assert "3  uncertain  welcome  a" in look.output
    assert "3 uncertain mails would be meant, nothing was changed." in look.output
    asked = run("resolve", "--resend", "--all")
    assert (asked.exit_code, "write --yes, or --dry-run to look first" in asked.output) == (2, True)
    assert [office.state(mail) for mail in (*mine, other)] == ["uncertain"] * 4
    done = run("resolve", "--resend", "--all", "--campaign", "welcome", "--yes")
    assert "3 of 3 leave again." in done.output
    assert [office.state(mail) for mail in (*mine, other)] == ["queued"] * 3 + ["uncertain"]
    assert "1 of 1 are taken as sent." in run("resolve", str(other), "--sent").output
    assert office.state(other) == "sent"


def test_more_than_a_chunk_is_decided_about_to_the_last(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.messages.CHUNK", 2)
    mails = [troubled(office, f"p{n}", "parked") for n in range(5)]
    assert "5 of 5 leave again." in run("retry", "--all", "--yes").output
    assert {office.state(mail) for mail in mails} == {"queued"}


def test_what_cannot_be_done_is_said_with_what_can(office: PostOffice) -> None:
    sent, uncertain = troubled(office, "alice", "sent"), troubled(office, "bob")
    done = run("retry", str(sent), "999")
    assert done.exit_code == 1
    assert f"{sent} is sent, not parked: left alone" in done.output
    assert "999 is no mail: left alone" in done.output
    mixed = run("resolve", str(sent), str(uncertain), "--sent")
    assert (mixed.exit_code, "1 of 1 are taken as sent." in mixed.output) == (0, True)
    for arguments, words in (
        (("resolve", "1"), "say --sent (they arrived) or --resend"),
        (("retry",), "name parked mails by their numbers, or write --all"),
        (("retry", "1", "--all"), "name parked mails by their numbers, or write --all"),
        (("list", "--older-than", "soon"), "'soon' is not a duration"),
        (("list", "--state", "sent"), "'sent' is not one of"),
    ):
        refused = run(*arguments)
        assert (refused.exit_code, words in refused.output) == (2, True), refused.output
    assert "No mail is like that." in run("list", "--lane", "yahoo").output
    assert "Nothing needs a decision." in run("list").output
