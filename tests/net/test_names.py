"""What the DNS says, asked of a real name server on loopback: who takes a domain's mail, and every way to fail."""

from __future__ import annotations

import pytest

from app.core.exchangers import MOST_HOSTS, Exchangers, Told, ask_after, is_reserved
from app.core.instants import DAY, HOUR
from app.net.names import NoAnswer, canonical, exchangers, txt
from tests.servers.names import NameServer

ZONE = (
    "workspace.ir MX 1 ASPMX.L.GOOGLE.COM.",
    "workspace.ir MX 5 alt1.aspmx.l.google.com.",
    "two.ir MX 10 b.two.ir.",
    "two.ir MX 10 A.two.ir.",
    "two.ir MX 20 aspmx.l.google.com.",
    "brand.ir CNAME workspace.ir.",
    "nomail.ir MX 0 .",
    "plain.ir A 127.0.0.1",
    "xn--mgba3a4f16a.ir MX 10 mx.xn--mgba3a4f16a.ir.",
    "mail.firm.ir CNAME firm-ir.mail.protection.outlook.com.",
    "firm-ir.mail.protection.outlook.com A 127.0.0.1",
    "mx.own.ir A 127.0.0.1",
    'told.ir TXT "v=spf1 " "-all"',
)


@pytest.mark.parametrize(
    ("domain", "answer"),
    [
        ("workspace.ir", Exchangers(Told.FOUND, ("aspmx.l.google.com",))),
        ("two.ir", Exchangers(Told.FOUND, ("a.two.ir", "b.two.ir"))),
        ("brand.ir", Exchangers(Told.FOUND, ("aspmx.l.google.com",))),
        ("nomail.ir", Exchangers(Told.NULL)),
        ("plain.ir", Exchangers(Told.ADDRESS)),
        ("nobody.ir", Exchangers(Told.MISSING)),
        ("xn--mgba3a4f16a.ir", Exchangers(Told.FOUND, ("mx.xn--mgba3a4f16a.ir",))),
    ],
)
def test_the_hosts_of_best_preference_take_the_mail(domain: str, answer: Exchangers) -> None:
    with NameServer(ZONE) as server:
        assert exchangers(domain, server.address) == answer


def test_an_answer_that_was_cut_is_fetched_over_tcp() -> None:
    many = [f"many.ir MX 10 mx{number:02}.many.ir." for number in range(60)]
    with NameServer(many, long={"many.ir"}) as server:
        found = exchangers("many.ir", server.address)
        assert found.hosts == tuple(f"mx{number:02}.many.ir" for number in range(MOST_HOSTS))
        assert [over for over, *_ in server.asked] == ["udp", "tcp"]


@pytest.mark.parametrize("code", ["SERVFAIL", "REFUSED"])
def test_a_server_that_refuses_is_no_answer_but_not_silence(code: str) -> None:
    with NameServer(codes={"broken.ir": code}) as server, pytest.raises(NoAnswer, match=code) as caught:
        exchangers("broken.ir", server.address)
    assert not caught.value.is_silent


def test_silence_and_a_server_that_is_not_there_are_told_apart_from_a_refusal() -> None:
    with NameServer(silent={"slow.ir"}) as server:
        with pytest.raises(NoAnswer, match="in time") as caught:
            exchangers("slow.ir", server.address, patience=0.1)
        address = server.address
    assert caught.value.is_silent
    with pytest.raises(NoAnswer) as caught:
        exchangers("workspace.ir", address, patience=0.2)
    assert caught.value.is_silent


def test_a_name_that_cannot_be_one_is_no_answer() -> None:
    for name, words in (
        (f"{'a' * 64}.ir", "a part of this name is longer than 63 signs"),
        ("a..ir", "a part of this name is empty, between two dots"),
        ("ab." * 100 + "ir", "this name is longer than 253 signs"),
        ("a\u2028b.ir", "this name holds signs no name may have"),
    ):
        with pytest.raises(NoAnswer) as caught:
            exchangers(name, "127.0.0.1#9")
        assert str(caught.value) == f"{name}: {words}"
        assert not caught.value.is_silent


@pytest.mark.parametrize("server", ["nobody", "127.0.0.1#fifty"])
def test_what_is_no_name_server_is_said_so_and_no_fault_of_a_program_is_shown(server: str) -> None:
    with pytest.raises(NoAnswer, match=r"this is no name server's address; write 192\.0\.2\.53") as caught:
        txt("workspace.ir", server)
    assert "Error" not in str(caught.value)


def test_a_host_that_is_an_alias_is_known_by_its_own_name() -> None:
    with NameServer(ZONE) as server:
        assert canonical("mail.firm.ir", server.address) == "firm-ir.mail.protection.outlook.com"
        assert canonical("mx.own.ir", server.address) == "mx.own.ir"
        assert canonical("gone.own.ir", server.address) == "gone.own.ir"


def test_the_strings_of_a_txt_record_are_one_text() -> None:
    with NameServer(ZONE) as server:
        assert txt("told.ir", server.address) == ("v=spf1 -all",)
        assert txt("plain.ir", server.address) == txt("nobody.ir", server.address) == ()


@pytest.mark.parametrize(
    ("domain", "is_kept"),
    [("a.test", True), ("example.com", True), ("x.example.org", True), ("host", True), ("printer.local", True),
     ("firm.ir", False), ("myexample.com", False), ("test.ir", False)],
)  # fmt: skip
def test_names_for_examples_and_for_ones_own_network_are_asked_of_nobody(domain: str, is_kept: bool) -> None:
    assert is_reserved(domain) is is_kept


def test_a_domain_is_asked_again_after_days_and_sooner_after_a_failure() -> None:
    assert ask_after(0, 0.0) == 7 * DAY
    assert [ask_after(failures, 0.0) for failures in (1, 2, 3, 4, 50)] == [HOUR, 4 * HOUR, DAY, 2 * DAY, 2 * DAY]
    assert ask_after(0, 1.0) == 7 * DAY * 5 // 4
