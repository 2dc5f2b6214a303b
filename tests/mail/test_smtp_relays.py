"""Several relays at once: shares, pins, and what happens when one of them fails."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.mail.smtp import SmtpTransport
from app.mail.smtp_relays import RelaySet, open_transport
from app.mail.smtp_url import Limits, RelayFaults, SmtpRelay, Timeouts, Tls, parse_relays
from app.mail.transports import (
    Collected,
    Envelope,
    HandOverForbidden,
    MessageKey,
    NotTried,
    RelayFault,
    Sent,
    Transport,
    send_all,
)
from tests.servers.smtp import Close, SmtpServer, Wait, always, nth

SHORT = Timeouts(connect=2, greeting=2, command=2, data=2, body=2, final=2)


def member(server: SmtpServer, name: str, connections: int = 1) -> SmtpTransport:
    limits = Limits(connections=connections)
    return SmtpTransport(SmtpRelay(name, "127.0.0.1", server.port, Tls.NEVER, helo="c", limits=limits, timeouts=SHORT))


def letters(count: int) -> list[Envelope]:
    return [
        Envelope(MessageKey(n, 1), "b@bounce.example.com", f"alice{n}@example.org", lambda n=n: b"Subject: %d\r\n" % n)  # type: ignore[misc]
        for n in range(count)
    ]


def people(*servers: SmtpServer) -> Counter[str]:
    return Counter(one for server in servers for one in server.recipients)


def test_relays_share_by_weight() -> None:
    with SmtpServer() as big, SmtpServer() as small:
        both = RelaySet([(member(big, "big"), 3), (member(small, "small"), 1)])
        outcomes = send_all(both, letters(400))
        both.close()
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert set(people(big, small).values()) == {1}
        assert 270 <= len(big.mails) <= 330


def test_a_relay_that_is_stuck_holds_up_nobody_else() -> None:
    with SmtpServer({"final": nth(1, [Wait(1.6), b"250 ok\r\n"])}) as stuck, SmtpServer() as good:
        both = RelaySet([(member(stuck, "stuck"), 1), (member(good, "good"), 1)])
        outcomes = send_all(both, letters(400))
        both.close()
        assert people(stuck, good) == Counter(one.recipient for one in letters(400))
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert len(good.mails) > 350


def test_a_mail_goes_to_the_relay_it_names() -> None:
    with SmtpServer() as first, SmtpServer() as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        send_all(both, [replace(one, relays=("second",)) for one in letters(30)])
        both.close()
        assert (len(first.mails), len(second.mails)) == (0, 30)


@pytest.mark.parametrize("stage", ["connect", "mail", "data"])
def test_when_one_relay_is_gone_the_other_takes_everything_and_nobody_gets_two(stage: str) -> None:
    with SmtpServer({stage: always(Close())}) as bad, SmtpServer() as good:
        both = RelaySet([(member(bad, "bad", 2), 5), (member(good, "good", 2), 1)])
        outcomes = send_all(both, letters(100))
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert people(good) == Counter(one.recipient for one in letters(100))
        assert not bad.mails
        assert both.is_ready
        both.close()


def test_a_mail_pinned_to_a_relay_that_is_gone_waits_for_it() -> None:
    with SmtpServer({"connect": always(Close())}) as bad, SmtpServer() as good:
        both = RelaySet([(member(bad, "bad"), 1), (member(good, "good"), 1)])
        outcomes = send_all(both, [replace(one, relays=("bad",)) for one in letters(20)])
        both.close()
        assert not good.mails
        assert not any(isinstance(one, Sent) for one in outcomes.values())
        assert any(isinstance(one, RelayFault) for one in outcomes.values())


def test_when_all_relays_are_gone_every_mail_is_accounted_for() -> None:
    with SmtpServer({"connect": always(Close())}) as first, SmtpServer({"mail": always(Close())}) as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        hooks = Collected()
        tally = both.send(iter(letters(50)), hooks)
        assert tally.drawn == len(hooks.outcomes) == tally.relay_fault + tally.not_tried
        assert not both.is_ready
        both.close()


def test_an_uncertain_mail_is_never_given_to_another_relay() -> None:
    with SmtpServer({"final": nth(2, Close())}) as first, SmtpServer() as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        hooks = Collected()
        tally = both.send(letters(20), hooks)
        both.close()
        assert tally.uncertain == 1
        assert len(hooks.settlements) == 20
        assert set(people(first, second).values()) == {1}
        assert sum(people(first, second).values()) == 19


def test_a_final_order_stops_all_relays() -> None:
    class Full(Collected):
        def before_final_dot(self, key: MessageKey, connection: int) -> None:
            if key.message >= 10:
                raise HandOverForbidden("the journal cannot be written")

    with SmtpServer() as first, SmtpServer() as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        hooks = Full()
        tally = both.send(iter(letters(10_000)), hooks)
        both.close()
        assert tally.drawn < 100
        assert len(first.mails) + len(second.mails) == tally.sent <= 10
        assert all(isinstance(one, Sent | NotTried) for one in hooks.outcomes.values())


def test_a_fault_in_the_source_is_raised() -> None:
    def source() -> Iterator[Envelope]:
        yield from letters(10)
        raise RuntimeError("the database is gone")

    with SmtpServer() as first, SmtpServer() as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        with pytest.raises(RuntimeError, match="database"):
            both.send(source(), Collected())
        both.close()


def test_connections_of_different_relays_have_different_numbers() -> None:
    slots: set[int] = set()

    class Slots(Collected):
        def before_final_dot(self, key: MessageKey, connection: int) -> None:
            slots.add(connection)

    with SmtpServer() as first, SmtpServer() as second:
        both = RelaySet([(member(first, "first"), 1), (member(second, "second"), 1)])
        both.send(letters(40), Slots())
        both.close()
    assert slots == {1, 257}


def test_a_setting_opens_the_transport_it_names(tmp_path: Path) -> None:
    def opened(setting: str) -> Transport:
        relays = parse_relays(setting)
        assert not isinstance(relays, RelayFaults)
        return open_transport(relays)

    assert opened(f"file://{tmp_path}").name == "relay"
    assert opened("main=smtp://mail.example.com").name == "main"
    assert opened(f"a=file://{tmp_path} b=maildir://{tmp_path}/m").name == "relays"
