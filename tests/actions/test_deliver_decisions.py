"""Mails that need a decision: uncertain and parked ones, by hand and by policy; and what the doctor says."""

from __future__ import annotations

from pathlib import Path

from app.actions import messages
from app.actions.sweep import resend_uncertain
from app.cli.doctor import Visit, _covered, examine, trial_mail
from app.cli.received import NEEDED
from app.core.instants import MINUTE
from app.mail.dkim import read_signer, sign
from app.settings import Settings
from app.store.messages import MessageRow
from app.store.troubles import Sought
from tests.actions.post_office import PostOffice, with_settings
from tests.servers.smtp import Answer, Close, SmtpServer, Take, Talk
from tests.services.clock import START


def silent(_talk: Talk, _line: str) -> Answer | None:
    return [Take(), Close()]


def test_uncertain_mails_are_listed_and_sent_again_only_by_choice_under_the_same_message_id(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with SmtpServer(rules={"final": silent}) as server:
        courier = office.courier(server.port)
        courier.deliver()
        (found,) = messages.troubled(office.world)
        assert (found.id, found.state, found.address) == (message, "uncertain", "alice@example.com")
        server.rules.clear()
        assert messages.resend(office.world, [message]) == 1
        office.round(courier)
        first, second = [mail.data.partition(b"Message-ID: ")[2].partition(b"\r\n")[0] for mail in server.mails]
    assert first == second
    assert messages.troubled(office.world) == []


def test_uncertain_mails_may_be_taken_as_sent(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    office.change(MessageRow, message, state="uncertain", settled_at=office.clock())
    assert messages.take_as_sent(office.world, [message]) == 1
    assert office.state(message) == "sent"


def test_parked_mails_are_tried_again_by_choice(office: PostOffice) -> None:
    message = office.mail(office.person("alice"), mail="gone")
    with SmtpServer() as server:
        courier = office.courier(server.port)
        courier.deliver()
        assert messages.retry(office.world, [message]) == 1
        office.change(MessageRow, message, mail_key="a")
        office.round(courier)
    assert office.state(message) == "sent"


def test_the_policy_resend_sends_once_more_after_a_quarter_of_an_hour_and_never_again(office: PostOffice) -> None:
    message = office.mail(office.person("alice"))
    with SmtpServer(rules={"final": silent}) as server:
        courier = office.courier(server.port)
        courier.deliver()
        patient, eager = office.world, with_settings(office.world, uncertain="resend")
        office.clock.advance(14 * MINUTE)
        assert resend_uncertain(eager) == 0
        office.clock.advance(2 * MINUTE)
        assert resend_uncertain(patient) == 0, "hold is the default"
        assert resend_uncertain(eager) == 1
        office.round(courier)
        assert len(server.mails) == 2
        office.clock.advance(60 * MINUTE)
        assert resend_uncertain(eager) == 0
    assert office.state(message) == "uncertain"


# ── The doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────


def settings(port: int, folder: Path) -> Settings:
    url = f"smtp://127.0.0.1:{port}?starttls=never"
    return Settings("", "x" * 40, "http://127.0.0.1:8000", folder, smtp_url=url)


def test_the_doctor_tells_a_relay_that_works_from_one_that_does_not(tmp_path: Path) -> None:
    with SmtpServer() as server:
        port = server.port
        first = next(examine(settings(port, tmp_path), Visit("sara@example.com")))
    assert first.is_well
    assert "pipelining" in first.words
    second = next(examine(settings(port, tmp_path), Visit("sara@example.com")))
    assert second.is_well is False
    assert second.words.startswith("no connection: Connection refused. Are host and port right")


def test_the_doctors_trial_mail_is_signed_over_what_one_click_needs() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signed = sign(trial_mail("a@example.com", "b@example.com"), [read_signer(pem, "example.com", "s1")], START)
    assert set(NEEDED) <= _covered(signed)


def test_many_mails_are_sought_counted_and_decided_about_on_both_databases(office: PostOffice) -> None:
    mails = [office.mail(office.person(f"p{n}"), lane="google" if n else "yahoo") for n in range(3)]
    for mail in mails:
        office.change(MessageRow, mail, state="parked", settled_at=office.clock(), reply="KeyError: name")
    sought = Sought(("parked",), lane="google", reason="keyerror", before=office.clock())
    assert [each.id for each in messages.found(office.world, sought)] == mails[1:]
    assert messages.counted(office.world, sought) == {("parked", "", "a"): 2}
    assert messages.others(office.world, Sought(("parked",), ids=(mails[0], 10**9))) == {10**9: ""}
    assert messages.for_all(office.world, sought, messages.retry) == 2
    assert [office.state(mail) for mail in mails] == ["parked", "queued", "queued"]
