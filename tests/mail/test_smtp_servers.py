"""The client against servers that others wrote: Postfix, its smtp-sink, and aiosmtpd."""

import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.mail.replies import ReplyClass, Stage
from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import Limits, SmtpRelay, Timeouts, Tls
from app.mail.transports import Deferred, Envelope, MessageKey, Outcome, Refused, Sent, send_all
from tests.servers.postfix import Postfix, find_daemons
from tests.services.missing import missing

if TYPE_CHECKING:
    from tests.services.smtp import Sink

pytestmark = pytest.mark.smtp

QUICK = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, final=10)
TEXT = b"Message-ID: <%d@example.com>\r\nSubject: %d\r\n\r\n.a dot, and more:\r\n..\r\n" + b"0123456789\r\n" * 300


def letters(count: int, recipient: str = "alice@example.org") -> list[Envelope]:
    return [
        Envelope(MessageKey(n, 1), "b@bounce.example.com", recipient, lambda n=n: TEXT % (n, n))  # type: ignore[misc]
        for n in range(count)
    ]


def send(port: int, envelopes: list[Envelope], connections: int = 4) -> list[Outcome]:
    relay = SmtpRelay(
        "test", "127.0.0.1", port, Tls.NEVER, helo="c.invalid", limits=Limits(connections), timeouts=QUICK
    )
    transport = SmtpTransport(relay)
    outcomes = send_all(transport, envelopes)
    transport.close()
    return [outcomes[one.key] for one in envelopes]


def numbers(mails: list[bytes]) -> Counter[int]:
    return Counter(int(found.group(1)) for mail in mails if (found := re.search(rb"Message-ID: <(\d+)@", mail)))


# ---------------------------------------------------------------- smtp-sink


@pytest.fixture
def sink(smtp_sink_program: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (tmp_path / "dump").mkdir()
    command = [str(smtp_sink_program), "-u", "root", "-d", f"{tmp_path}/dump/%S.", f"127.0.0.1:{port}", "64"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        wait_for_port(port)
        yield port, tmp_path / "dump"
        process.terminate()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("connections", [1, 6])
def test_smtp_sink_gets_every_mail_once(sink: tuple[int, Path], connections: int) -> None:
    port, dump = sink
    assert all(isinstance(one, Sent) for one in send(port, letters(300), connections))
    assert numbers([file.read_bytes() for file in dump.iterdir()]) == Counter(range(300))


# ---------------------------------------------------------------- aiosmtpd


def test_aiosmtpd_without_pipelining_gets_every_mail_once(smtp_sink: "Sink") -> None:
    smtp_sink.refuse("bob@example.org", "550 5.1.1 no such user")
    people = [
        *letters(40),
        Envelope(MessageKey(99, 1), "b@bounce.example.com", "bob@example.org", lambda: TEXT % (99, 99)),
    ]
    outcomes = send(smtp_sink.port, people)
    assert all(isinstance(one, Sent) for one in outcomes[:40])
    refused = outcomes[40]
    assert isinstance(refused, Refused)
    assert refused.reply_class is ReplyClass.HARD
    assert numbers([mail.content for mail in smtp_sink.taken]) == Counter(range(40))


# ---------------------------------------------------------------- Postfix


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    daemons = find_daemons()
    if daemons is None:
        missing("Postfix (as root)", "apt-get install postfix")
    folder = tmp_path_factory.mktemp("postfix")
    with Postfix(folder, daemons, ("alice", "dave"), "message_size_limit = 100000") as server:
        yield server


def test_postfix_delivers_every_mail_once_and_unharmed(postfix: Postfix) -> None:
    assert all(isinstance(one, Sent) for one in send(postfix.port, letters(60)))
    deadline = time.monotonic() + 60
    while len(postfix.mails("alice")) < 60 and time.monotonic() < deadline:
        time.sleep(0.05)
    delivered = postfix.mails("alice")
    assert numbers(delivered) == Counter(range(60))
    assert all(mail.replace(b"\n", b"\r\n").endswith((TEXT % (0, 0)).partition(b"\r\n\r\n")[2]) for mail in delivered)


def test_postfix_knows_nobody_of_that_name(postfix: Postfix) -> None:
    mixed = [
        one
        for pair in zip(letters(10, "dave@example.org"), letters(20, "bob@example.org")[10:], strict=True)
        for one in pair
    ]
    outcomes = send(postfix.port, mixed, 1)
    assert all(isinstance(one, Sent) for one in outcomes[::2])
    for refused in outcomes[1::2]:
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.reply.enhanced, refused.reply_class) == (Stage.RCPT, "5.1.1", ReplyClass.HARD)


def test_postfix_relays_for_nobody(postfix: Postfix) -> None:
    (refused,) = send(postfix.port, letters(1, "bob@elsewhere.example"))
    assert isinstance(refused, Refused | Deferred)
    assert refused.reply_class in {ReplyClass.BLOCK, ReplyClass.THROTTLE}


def test_postfix_says_how_much_it_takes(postfix: Postfix) -> None:
    big = Envelope(MessageKey(1, 1), "b@bounce.example.com", "alice@example.org", lambda: b"x\r\n" * 50_000)
    (refused,) = send(postfix.port, [big])
    assert isinstance(refused, Refused)
    assert refused.is_ours
    assert refused.reply.enhanced == "5.3.4"
