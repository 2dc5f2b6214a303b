"""Transports that write files, and the seam itself."""

from pathlib import Path

import pytest

from app.mail.transports import (
    Collected,
    Envelope,
    FileTransport,
    HandOverForbidden,
    MaildirTransport,
    MessageKey,
    NoBody,
    NotTried,
    RelayFault,
    Sent,
    Tally,
    send_all,
)


def letter(number: int, body: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Envelope:
    return Envelope(MessageKey(number, 2), "b+x@bounce.example.com", "alice@example.org", lambda: body)


def test_a_mail_becomes_a_file_with_its_envelope_on_top(tmp_path: Path) -> None:
    outcomes = send_all(FileTransport(tmp_path / "out"), [letter(7)])
    assert isinstance(outcomes[MessageKey(7, 2)], Sent)
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "7.2.eml"
    assert file.read_bytes() == (
        b"Return-Path: <b+x@bounce.example.com>\r\nDelivered-To: alice@example.org\r\nSubject: x\r\n\r\nhello\r\n"
    )


def test_the_same_attempt_twice_is_one_file(tmp_path: Path) -> None:
    send_all(FileTransport(tmp_path), [letter(7), letter(7)])
    assert [file.name for file in tmp_path.iterdir()] == ["7.2.eml"]


def test_a_maildir_can_be_opened_by_mail_programs(tmp_path: Path) -> None:
    import mailbox

    send_all(MaildirTransport(tmp_path / "box"), [letter(1), letter(2)])
    with_python = mailbox.Maildir(tmp_path / "box", create=False)
    assert [message["Delivered-To"] for message in with_python] == ["alice@example.org"] * 2
    assert list((tmp_path / "box" / "tmp").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_the_transports_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    hooks = Collected()
    tally = FileTransport(tmp_path / "file" / "out").send([letter(1), letter(2)], hooks)
    assert tally == Tally(relay_fault=1)
    assert isinstance(hooks.outcomes[MessageKey(1, 2)], RelayFault)


def test_a_mail_that_is_forbidden_or_cannot_be_made_leaves_no_file(tmp_path: Path) -> None:
    def decided() -> bytes:
        raise NoBody("the offer has ended")

    class Hooks(Collected):
        def before_final_dot(self, key: MessageKey, connection: int) -> None:
            if key.message == 2:
                raise HandOverForbidden("withdrawn", is_final=False)
            if key.message == 4:
                raise HandOverForbidden("the journal is full")

    none = Envelope(MessageKey(1, 2), "", "alice@example.org", decided)
    hooks = Hooks()
    FileTransport(tmp_path).send([none, letter(2), letter(3), letter(4), letter(5)], hooks)
    assert hooks.outcomes[MessageKey(1, 2)] == NotTried("the offer has ended")
    assert hooks.outcomes[MessageKey(2, 2)] == NotTried("withdrawn")
    assert MessageKey(5, 2) not in hooks.outcomes
    assert [file.name for file in tmp_path.iterdir()] == ["3.2.eml"]


def test_what_was_not_drawn_is_not_tried(tmp_path: Path) -> None:
    transport = FileTransport(tmp_path)
    transport.stop(1)
    assert isinstance(send_all(transport, [letter(1)])[MessageKey(1, 2)], NotTried)


@pytest.mark.parametrize("transport", [FileTransport, MaildirTransport])
def test_a_file_transport_is_always_ready(tmp_path: Path, transport: type[FileTransport]) -> None:
    assert transport(tmp_path).is_ready
