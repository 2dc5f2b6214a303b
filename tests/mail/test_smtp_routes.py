"""Routes: which relays carry which mails, and who stands in when one of them is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.mail.lanes import shipped_lanes
from app.mail.smtp_relays import RelaySet
from app.mail.smtp_routes import Mailing, Routes, fit_to_lanes
from app.mail.smtp_url import RelayFaults, SmtpRelay, Takes, parse_relays
from app.mail.transports import Deferred, RelayFault, Sent, send_all
from tests.mail.test_smtp_relays import letters, member, people
from tests.servers.smtp import Close, SmtpServer, always

SETTING = (
    "main=smtp://localhost spare=smtp://localhost:26 "
    "news=smtp://localhost:27?campaigns=weekly-*,digest "
    "iran=smtp://localhost:28?domains=*.ir,chmail.ir "
    "both=smtp://localhost:29?campaigns=digest&domains=gmail.com "
    "post=smtp://localhost:30?mail=service"
)


def routes(setting: str = SETTING) -> Routes:
    relays = parse_relays(setting)
    assert not isinstance(relays, RelayFaults), relays
    return Routes(relays)


@pytest.mark.parametrize(
    ("mailing", "expected"),
    [
        pytest.param(Mailing("welcome", "example.com"), ("main", "spare"), id="what no relay is kept for"),
        pytest.param(Mailing("weekly-news", "example.com"), ("news",), id="a campaign, by its beginning"),
        pytest.param(Mailing("weekly", "example.com"), ("main", "spare"), id="a beginning is not the whole"),
        pytest.param(Mailing("welcome", "Example.IR"), ("iran",), id="a domain below"),
        pytest.param(Mailing("welcome", "ir.example"), ("main", "spare"), id="an end is not a middle"),
        pytest.param(Mailing("digest", "gmail.com"), ("news", "both"), id="several may carry it"),
        pytest.param(Mailing("welcome", "gmail.com"), ("main", "spare"), id="both options have to fit"),
        pytest.param(Mailing("", "example.com", is_service=True), ("post",), id="service mail"),
    ],
)
def test_a_mail_goes_by_its_campaign_its_domain_and_its_class(mailing: Mailing, expected: tuple[str, ...]) -> None:
    assert routes().of(mailing) == expected


def test_without_options_any_relay_takes_any_mail() -> None:
    assert routes("smtp://localhost file:///tmp/out").of(Mailing("welcome", "example.com")) == ()


def test_someone_has_to_take_the_rest() -> None:
    faults = parse_relays("smtp://localhost?domains=gmail.com a=smtp://localhost?mail=service")
    assert isinstance(faults, RelayFaults)
    assert "takes the rest" in faults.faults[0]


@pytest.mark.parametrize(
    "option", ["campaigns=Weekly%20news", "domains=gmail", "mail=bulk", "domains=*gmail.com", "x=1"]
)
def test_what_is_no_route_is_a_fault(option: str) -> None:
    relays = parse_relays(f"smtp://localhost a=smtp://localhost?{option}")
    assert isinstance(relays, RelayFaults) == (option != "domains=gmail")


def test_a_relay_for_one_provider_keeps_to_its_lane() -> None:
    found = parse_relays("smtp://localhost y=smtp://localhost?domains=yahoo.com,ymail.com&connections=9")
    assert not isinstance(found, RelayFaults)
    free, yahoo = fit_to_lanes(found, shipped_lanes())
    assert isinstance(free, SmtpRelay)
    assert isinstance(yahoo, SmtpRelay)
    assert (yahoo.limits.connections, yahoo.limits.per_connection) == (5, 20)
    assert free == found[0]


def test_relays_of_one_route_stand_in_for_each_other_and_nobody_else_does() -> None:
    with SmtpServer({"connect": always(Close())}) as bad, SmtpServer() as good, SmtpServer() as other:
        every = RelaySet([(member(bad, "bad"), 3), (member(good, "good"), 1), (member(other, "other"), 9)])
        outcomes = send_all(every, [replace(one, relays=("bad", "good")) for one in letters(60)])
        every.close()
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert (len(good.mails), len(other.mails)) == (60, 0)
        assert set(people(good).values()) == {1}


def test_a_mail_for_a_relay_that_rests_waits_for_it() -> None:
    with SmtpServer({"connect": always(Close())}) as bad, SmtpServer() as good:
        both = RelaySet([(member(bad, "bad"), 1), (member(good, "good"), 1)])
        pinned = [replace(one, relays=("bad",)) for one in letters(3)]
        send_all(both, pinned)
        assert not both.members[0].is_ready
        outcomes = send_all(both, [*pinned, *letters(20)[3:]])
        both.close()
        assert [isinstance(outcomes[one.key], RelayFault) for one in pinned] == [True] * 3
        assert len(good.mails) == 17, "the others go on"


def test_an_answer_about_the_mail_is_an_answer_and_moves_it_nowhere() -> None:
    with SmtpServer({"rcpt": always(b"450 4.2.0 later\r\n")}) as slow, SmtpServer() as good:
        both = RelaySet([(member(slow, "slow"), 1), (member(good, "good"), 1)])
        outcomes = send_all(both, [replace(one, relays=("slow", "good")) for one in letters(10)])
        both.close()
        assert {type(one) for one in outcomes.values()} == {Deferred, Sent}


def test_options_without_a_word_take_nothing() -> None:
    assert not Takes()
    assert Takes(mail="service")
