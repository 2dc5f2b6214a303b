"""Test copies leave as real mail does: over the relay that would take them, logged in by a token where need be."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.actions import errands
from app.actions.access import Role, Visitor
from app.actions.errands import HOLD, Errand, Sort, State, Wish
from app.actions.errands.doing import drain
from app.store.engine import Database
from tests.servers.smtp import DEFAULT_FEATURES, Answer, SmtpServer
from tests.services.clock import Clock
from tests.web.desk import Desk, open_desk

LEILA = Visitor("Leila", Role.OWNER, 1, b"", "leila@example.com")


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    opened = open_desk(database, tmp_path, clock)
    yield opened
    opened.parts.spool.close()


def sent(desk: Desk, smtp_url: str, addresses: str = "leila@example.com") -> Errand:
    """The errand of sending the first mail of the site to these addresses, done."""
    world = replace(desk.world, settings=replace(desk.world.settings, smtp_url=smtp_url))
    with world.transaction("read") as session:
        shelved = desk.parts.shelf.look(session)
    assert shelved is not None
    mail = next(iter(sorted(shelved.book.mails)))
    number = errands.ask(world, LEILA, Wish(Sort.PROOF, {"mail": mail, "addresses": addresses}, "/dashboard/mails"))
    desk.clock.advance(HOLD)
    drain(world, desk.parts.shelf, "worker one")
    found = errands.find(world, number)
    assert found is not None
    return found


def token_command(folder: Path, token: str) -> str:
    script = folder / "token"
    script.write_text(f"#!/bin/sh\necho {token}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_test_copy_logs_in_by_a_token(desk: Desk, tmp_path: Path) -> None:
    features = (*DEFAULT_FEATURES, "AUTH XOAUTH2")
    with SmtpServer(features=features, users={"news@example.com": "fresh"}) as server:
        url = f"smtp://news%40example.com@127.0.0.1:{server.port}?auth=xoauth2&token=exec:"
        done = sent(desk, url + token_command(tmp_path, "fresh"))
        assert (done.state, done.told["sent"]) == (State.DONE, 1), done.told
        assert [mail.recipient for mail in server.mails] == ["leila@example.com"]
        refused = sent(desk, url + token_command(tmp_path, "stale"))
        assert refused.told["sent"] == 0
        assert "stale" not in str(refused.told)
        assert len(server.mails) == 1


def test_a_test_copy_goes_to_the_relay_its_domain_is_kept_for(desk: Desk) -> None:
    with SmtpServer() as main, SmtpServer() as post:
        url = f"main=smtp://127.0.0.1:{main.port} post=smtp://127.0.0.1:{post.port}?domains=chmail.ir"
        done = sent(desk, url, "leila@example.com alice@chmail.ir")
        assert done.told["sent"] == 2
        assert done.told["relay"] == "main, post"
        assert [len(main.mails), len(post.mails)] == [1, 1]


def test_a_refused_copy_is_told_in_the_relays_words_and_the_others_leave(desk: Desk) -> None:
    def rule(_talk: object, line: str) -> Answer | None:
        return b"550 5.1.1 no such user here\r\n" if "bob@" in line else None

    with SmtpServer({"rcpt": rule}) as server:
        done = sent(desk, f"smtp://127.0.0.1:{server.port}", "alice@example.com bob@example.com carol@example.com")
        copies = done.told["copies"]
        assert isinstance(copies, list)
        assert [each["is_sent"] for each in copies if isinstance(each, dict)] == [True, False, True]
        assert "550 5.1.1 no such user here" in str(copies)


def test_a_relay_nobody_answers_at_is_told_once_and_not_asked_again(desk: Desk) -> None:
    server = SmtpServer()
    server.close()
    done = sent(desk, f"smtp://127.0.0.1:{server.port}", "alice@example.com bob@example.com")
    copies = done.told["copies"]
    assert isinstance(copies, list)
    words = [each["words"] for each in copies if isinstance(each, dict)]
    assert words == ["Connection refused", "Connection refused"]


def test_a_faulty_setting_is_told_without_its_password(desk: Desk) -> None:
    done = sent(desk, "smtp://u:hunter2@mail.example.com?colour=red")
    assert done.state is State.FAILED
    assert "the option 'colour' is not known" in str(done.told)
    assert "hunter2" not in str(done.told)
