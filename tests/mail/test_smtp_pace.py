"""The pace of a relay: its rate over all transports, and how many connections carry one lane at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

from app.mail.smtp import SmtpTransport
from app.mail.smtp_pace import HELD_MOST, Held, Turns
from app.mail.smtp_relays import open_transport, turns_of
from app.mail.smtp_url import Limits, SmtpRelay, Tls
from app.mail.transports import Envelope, Sent, send_all
from tests.mail.test_smtp_relays import SHORT, letters, member
from tests.servers.smtp import Answer, Close, SmtpServer, Talk, Wait, nth


class Busy:
    """How many connections carry a lane at once, as the server sees it: from RCPT to the answer to the final dot."""

    def __init__(self, lane_of: dict[str, str]) -> None:
        self._lane_of = lane_of
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self._carries: dict[int, str] = {}
        self.most: Counter[str] = Counter()

    def rcpt(self, talk: Talk, line: str) -> Answer | None:
        lane = self._lane_of[line.partition("<")[2].partition(">")[0]]
        with self._lock:
            self._carries[talk.number] = lane
            self._now[lane] += 1
            self.most[lane] = max(self.most[lane], self._now[lane])
        # long enough for the other connections to come by, also where the machine has other work
        return [Wait(0.01), b"250 2.1.5 OK\r\n"]

    def final(self, talk: Talk, _line: str) -> Answer | None:
        with self._lock:
            self._now[self._carries[talk.number]] -= 1
        return [Wait(0.005), b"250 2.0.0 OK\r\n"]


def in_lanes(count: int, *lanes: tuple[str, int]) -> list[Envelope]:
    return [
        replace(one, lane=lanes[n % len(lanes)][0], at_once=lanes[n % len(lanes)][1])
        for n, one in enumerate(letters(count))
    ]


def test_a_lane_is_on_no_more_connections_than_it_bears_and_the_others_use_the_rest() -> None:
    mails = in_lanes(120, ("google", 2), ("orange", 1), ("default", 10))
    busy = Busy({one.recipient: one.lane for one in mails})
    with SmtpServer({"rcpt": busy.rcpt, "final": busy.final}) as server:
        transport = member(server, "relay", 6)
        outcomes = send_all(transport, mails)
        transport.close()
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert Counter(one.recipient for one in server.mails) == Counter(one.recipient for one in mails)
    assert busy.most["google"] == 2
    assert busy.most["orange"] == 1
    assert busy.most["default"] >= 3


def test_a_lane_alone_leaves_the_other_connections_idle_and_still_gets_through() -> None:
    mails = in_lanes(60, ("orange", 1))
    busy = Busy({one.recipient: one.lane for one in mails})
    with SmtpServer({"rcpt": busy.rcpt, "final": busy.final}) as server:
        transport = member(server, "relay", 4)
        outcomes = send_all(transport, mails)
        transport.close()
    assert all(isinstance(one, Sent) for one in outcomes.values())
    assert busy.most["orange"] == 1


def test_a_lost_connection_frees_its_lane() -> None:
    mails = in_lanes(40, ("orange", 1))
    with SmtpServer({"data": nth(5, Close())}) as server:
        transport = member(server, "relay", 3)
        outcomes = send_all(transport, mails)
        transport.close()
        assert all(isinstance(one, Sent) for one in outcomes.values())
        assert set(Counter(one.recipient for one in server.mails).values()) == {1}


def test_what_is_held_when_it_is_over_is_told_so() -> None:
    mails = in_lanes(30, ("orange", 1))
    with SmtpServer({"final": lambda _talk, _line: [Wait(0.05), b"250 ok\r\n"]}) as server:
        transport = member(server, "relay", 3)
        threading.Timer(0.2, lambda: transport.stop(2)).start()
        outcomes = send_all(transport, mails)
        assert sum(isinstance(one, Sent) for one in outcomes.values()) == len(server.mails) < 30
    assert len(outcomes) == 30


def test_a_rate_holds_over_several_sends_and_transports() -> None:
    with SmtpServer() as server:
        limits = Limits(connections=2, rate=20)
        relay = SmtpRelay("relay", "127.0.0.1", server.port, Tls.NEVER, helo="c", limits=limits, timeouts=SHORT)
        turns = turns_of([relay])
        one, two = (open_transport([relay], time.monotonic, turns) for _ in range(2))
        began = time.monotonic()
        for number in range(4):
            send_all(one, letters(2 * number + 2)[2 * number :])
            send_all(two, letters(20 + number)[19 + number :])
        took = time.monotonic() - began
        one.close()
        two.close()
        assert len(server.mails) == 12
    assert took >= 11 / 20


def test_a_relay_with_a_rate_has_room_for_ten_seconds_only() -> None:
    relay = SmtpRelay("relay", "127.0.0.1", 1, Tls.NEVER, limits=Limits(rate=0.5))
    assert SmtpTransport(relay).room == 5
    assert SmtpTransport(replace(relay, limits=Limits())).room > 100


def test_turns_come_evenly_by_any_clock() -> None:
    now = [0.0]
    turns = Turns(2.0, lambda: now[0])
    assert turns.take_now()
    assert not turns.take_now()
    assert turns.reserve() == 0.5
    assert turns.reserve() == 1.0
    now[0] = 1.5
    assert turns.take_now()


def test_no_more_is_drawn_than_can_be_held() -> None:
    held = Held(4)
    (mail,) = in_lanes(1, ("orange", 1))
    assert held.begin(1, mail)
    assert not held.begin(2, mail)
    for _ in range(HELD_MOST):
        held.hold(mail)
    assert held.is_full
    assert held.next_for(2) is None
    assert held.next_for(1) is mail
    held.end(1, mail)
    assert held.next_for(2) is mail
    assert len(held.all()) == HELD_MOST - 2
