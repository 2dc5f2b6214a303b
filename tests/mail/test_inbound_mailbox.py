"""The bounce mailbox: nothing leaves the server before it is stored."""

from collections.abc import Callable

import pytest

from app.mail.inbound_mailbox import Afterwards, Mailbox, Polled, parse_mailbox, poll
from tests.servers.mailboxes import ImapServer, MailboxServer, Pop3Server

MAILS = [b"Subject: %d\r\n\r\nHello\r\n.dot\r\n" % number for number in range(5)]


def mailbox(server: MailboxServer, after: Afterwards = Afterwards.DELETE, password: str = "hush") -> Mailbox:
    scheme = "imap" if isinstance(server, ImapServer) else "pop3"
    return Mailbox(scheme, "127.0.0.1", server.port, "bounces", password, afterwards=after)


BOTH = pytest.mark.parametrize("make", [ImapServer, Pop3Server])
Make = Callable[..., MailboxServer]


@BOTH
def test_every_mail_is_stored_as_it_is_and_then_deleted(make: Make) -> None:
    stored: list[bytes] = []
    with make(MAILS) as server:
        assert poll(mailbox(server), stored.append) == Polled(5)
        assert stored == MAILS
        assert server.left == []


@BOTH
def test_a_mail_that_cannot_be_stored_stays_on_the_server(make: Make) -> None:
    stored: list[bytes] = []

    def store(raw: bytes) -> None:
        if len(stored) == 2:
            raise RuntimeError("the database is gone")
        stored.append(raw)

    with make(MAILS) as server:
        polled = poll(mailbox(server), store)
        assert polled.stored == 2
        assert isinstance(polled.error, RuntimeError)
        assert server.left == MAILS[2:]


@BOTH
def test_nothing_is_deleted_before_it_is_stored(make: Make) -> None:
    with make(MAILS) as server:
        logs: list[list[str]] = []

        def store(raw: bytes) -> None:
            logs.append([line for line in server.log if line.startswith(("DELE", "UID STORE", "EXPUNGE"))])

        poll(mailbox(server), store)
        deletes = [sum(line.startswith(("DELE", "UID STORE")) for line in log) for log in logs]
        assert deletes == [0, 1, 2, 3, 4]


@BOTH
def test_a_connection_that_breaks_in_the_middle_loses_nothing(make: Make) -> None:
    stored: list[bytes] = []
    with make(MAILS, drop_at="UID FETCH 3" if make is ImapServer else "RETR 3") as server:
        polled = poll(mailbox(server), stored.append)
        assert polled.stored == 2
        assert polled.fault
        server.drop_at = ""
        poll(mailbox(server), stored.append)
        assert set(stored) == set(MAILS)
        assert server.left == []


@BOTH
def test_a_wrong_password_is_told_and_not_repeated(make: Make) -> None:
    with make(MAILS) as server:
        polled = poll(mailbox(server, password="wrong-secret"), lambda raw: None)
        assert polled.stored == 0
        assert polled.fault
        assert "wrong-secret" not in polled.fault


@BOTH
def test_a_poll_takes_only_so_many(make: Make) -> None:
    with make(MAILS) as server:
        assert poll(mailbox(server), lambda raw: None, limit=2) == Polled(2)
        assert server.left == MAILS[2:]


def test_an_imap_mail_may_be_marked_only() -> None:
    stored: list[bytes] = []
    with ImapServer(MAILS) as server:
        assert poll(mailbox(server, Afterwards.SEEN), stored.append).stored == 5
        assert poll(mailbox(server, Afterwards.SEEN), stored.append).stored == 0
        assert server.left == MAILS


def test_an_imap_mail_may_be_moved() -> None:
    with ImapServer(MAILS) as server:
        assert poll(mailbox(server, Afterwards.MOVE), lambda raw: None).stored == 5
        assert server.left == []
        assert [mail.raw for mail in server.mails if mail.folder == "Processed"] == MAILS


def test_nobody_listening_is_told() -> None:
    with Pop3Server([]) as server:
        gone = mailbox(server)
    assert poll(gone, lambda raw: None).fault


def test_a_mailbox_is_written_as_a_url() -> None:
    box = parse_mailbox("imaps://bounces%40example.com:p%2Fw@mail.example.com/Bounces?after=move&to=Done")
    assert isinstance(box, Mailbox)
    assert (box.user, box.password, box.port, box.folder) == ("bounces@example.com", "p/w", 993, "Bounces")
    assert (box.afterwards, box.move_to) == (Afterwards.MOVE, "Done")
    assert "p/w" not in repr(box)
    pop = parse_mailbox("pop3s://u:p@mail.example.com")
    assert isinstance(pop, Mailbox)
    assert (pop.port, pop.afterwards) == (995, Afterwards.DELETE)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://x", ("'http' is not known", "give user")),
        ("imaps://u:p@h?after=burn&colour=red", ("after=burn", "colour")),
        ("pop3s://u:p@h?after=seen", ("POP3 knows no marks",)),
        ("imaps://u:p@h:port", ("no URL",)),
    ],
)
def test_everything_wrong_with_a_mailbox_is_told_at_once(url: str, parts: tuple[str, ...]) -> None:
    faults = parse_mailbox(url)
    assert isinstance(faults, tuple)
    for part in parts:
        assert any(part in fault for fault in faults)
