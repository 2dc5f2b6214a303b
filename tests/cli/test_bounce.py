"""`parvar bounce`: a mail server pipes into it, and reads its exit code; the database may be away meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.actions.bounces import empty_letterbox
from app.core.person import MailClass
from app.disk.letterbox import Letterbox
from app.store.engine import Database
from tests.actions.post_office import open_office
from tests.actions.test_deliver_returns import facts, local
from tests.cli.test_starting import ROOT, good
from tests.servers.smtp import SmtpServer
from tests.services.clock import Clock

DSN = (
    b"From: MAILER-DAEMON@mx.example.com\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; alice@example.com\r\nAction: failed\r\n"
    b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n\r\n--b--\r\n"
)


def piped(mail: bytes, data: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "app.cli", "bounce", *arguments]
    given = {"PATH": "", **good(data), **environ}
    return subprocess.run(command, cwd=ROOT, input=mail, env=given, capture_output=True, timeout=60, check=False)


def test_a_mail_is_kept_though_there_is_no_database(tmp_path: Path) -> None:
    done = piped(DSN, tmp_path, "--to", "b+x@example.com", PARVAR_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 0, done.stderr
    (kept,) = Letterbox(tmp_path / "data" / "letterbox").waiting()
    assert (kept.raw, kept.envelope_to) == (DSN, "b+x@example.com")


@pytest.mark.parametrize(
    ("mail", "environ", "code"),
    [
        pytest.param(b" \n", {}, 65, id="no mail"),
        pytest.param(DSN, {"PARVAR_SECRET": "short"}, 75, id="settings that are not right yet"),
        pytest.param(DSN, {"PARVAR_DATA": "/dev/null/data"}, 75, id="no place to keep it"),
    ],
)
def test_the_exit_code_tells_the_server_what_to_do(
    tmp_path: Path, mail: bytes, environ: dict[str, str], code: int
) -> None:
    done = piped(mail, tmp_path, **environ)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


def test_a_huge_mail_is_taken_to_its_end_and_its_beginning_is_kept(tmp_path: Path) -> None:
    done = piped(DSN + b"x" * 5_000_000, tmp_path)
    assert done.returncode == 0
    assert Letterbox(tmp_path / "data" / "letterbox").waiting()[0].raw.startswith(DSN)


def test_the_worker_acts_upon_what_lies_there_once(database: Database, tmp_path: Path, clock: Clock) -> None:
    with open_office(database, tmp_path / "office", clock) as office, SmtpServer() as server:
        office.mail(office.person("alice"), MailClass.MARKETING)
        office.courier(server.port).deliver()
        sent = office.row(1)
        box = Letterbox(tmp_path / "box")
        box.drop(DSN, f"{local(office, sent)}@bounce.example.com")
        box.drop(b"\x00\xff not a mail")
        assert empty_letterbox(office.world, box) == 2
        assert box.waiting() == []
        assert ("bounced", "a") in facts(office, sent.subscriber_id)
        assert office.subscriber(sent.subscriber_id).is_suppressed
        box.drop(DSN, f"{local(office, sent)}@bounce.example.com")
        assert empty_letterbox(office.world, box) == 1
        assert facts(office, sent.subscriber_id).count(("bounced", "a")) == 1


def test_while_the_database_is_away_mails_wait(database: Database, tmp_path: Path, clock: Clock) -> None:
    box = Letterbox(tmp_path / "box")
    box.drop(DSN)
    with open_office(database, tmp_path / "office", clock) as office:
        world = office.world

        class Away:
            def __getattr__(self, _name: str) -> object:
                from sqlalchemy.exc import OperationalError

                raise OperationalError("SELECT", {}, Exception("away"))

        held = world.database
        object.__setattr__(world, "database", Away())
        assert empty_letterbox(world, box) == 0
        assert len(box.waiting()) == 1
        object.__setattr__(world, "database", held)
        assert empty_letterbox(world, box) == 1
