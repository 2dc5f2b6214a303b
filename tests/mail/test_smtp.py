"""The SMTP client against servers that behave, that refuse, and that die at the worst moment."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest

from app.mail.replies import ReplyClass, Stage
from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import Limits, SmtpRelay, Timeouts, Tls
from app.mail.transports import (
    Collected,
    Deferred,
    Envelope,
    HandOverForbidden,
    MessageKey,
    NoBody,
    NotTried,
    Outcome,
    Refused,
    RelayFault,
    Sent,
    Settlement,
    Tally,
    send_all,
)
from tests.servers.smtp import (
    DEFAULT_FEATURES,
    Close,
    Drip,
    Rule,
    SmtpServer,
    Take,
    Talk,
    Wait,
    always,
    for_recipient,
    nth,
    wait_until,
)

SHORT = Timeouts(connect=2, greeting=2, command=2, data=2, body=2, final=2)
PLAIN_FEATURES = tuple(one for one in DEFAULT_FEATURES if one != "PIPELINING")
BOTH_WAYS = pytest.mark.parametrize("features", [DEFAULT_FEATURES, PLAIN_FEATURES], ids=["chained", "one by one"])


def relay(server: SmtpServer, connections: int = 1, limits: Limits | None = None) -> SmtpRelay:
    return SmtpRelay(
        "test",
        "127.0.0.1",
        server.port,
        Tls.NEVER,
        helo="client.invalid",
        limits=limits or Limits(connections=connections),
        timeouts=SHORT,
    )


def text(number: int, extra: str = "") -> bytes:
    return f"Message-ID: <{number}@example.com>\r\nSubject: {number}\r\n\r\nHello {number}.\r\n{extra}".encode()


def letter(number: int, recipient: str = "", body: Callable[[], bytes] | None = None) -> Envelope:
    to = recipient or f"alice{number}@example.org"
    return Envelope(MessageKey(number, 1), "b+1@bounce.example.com", to, body or (lambda: text(number)))


def letters(count: int) -> list[Envelope]:
    return [letter(number) for number in range(1, count + 1)]


def send(
    server: SmtpServer, envelopes: Iterable[Envelope], connections: int = 1, limits: Limits | None = None
) -> list[Outcome]:
    transport = SmtpTransport(relay(server, connections, limits))
    outcomes = send_all(transport, envelopes)
    transport.close()
    return [outcomes[key] for key in sorted(outcomes)]


def kinds(outcomes: Iterable[Outcome]) -> list[str]:
    return [type(one).__name__ for one in outcomes]


def tempers(server: SmtpServer) -> list[int]:
    """The numbers of the mails the server has, in order."""
    return sorted(int(body.split(b"<")[1].split(b"@")[0]) for body in server.bodies)


# ---------------------------------------------------------------- all is well


@BOTH_WAYS
@pytest.mark.parametrize("connections", [1, 4])
def test_every_mail_arrives_once_and_as_it_was_written(features: tuple[str, ...], connections: int) -> None:
    with SmtpServer(features=features) as server:
        assert kinds(send(server, letters(50), connections)) == ["Sent"] * 50
        assert sorted(server.bodies) == sorted(text(number) for number in range(1, 51))
        assert sorted(server.recipients) == sorted(one.recipient for one in letters(50))


def test_the_reply_to_the_final_dot_is_kept() -> None:
    with SmtpServer({"final": always(b"250 2.0.0 queued as ABC123\r\n")}) as server:
        (sent,) = send(server, letters(1))
    assert isinstance(sent, Sent)
    assert str(sent.reply) == "250 2.0.0 queued as ABC123"


@BOTH_WAYS
def test_dots_line_ends_and_a_missing_last_line_end_survive(features: tuple[str, ...]) -> None:
    bodies = [
        b".\r\n",
        b"..\r\n.\r\n.a\r\n",
        b"no line end",
        b"",
        b"a\r\n\r\n\r\n",
        b"bare\nlf\rcr\r\n.\nMAIL FROM:<x@y>\r\n",
    ]
    expected = [
        b".\r\n",
        b"..\r\n.\r\n.a\r\n",
        b"no line end\r\n",
        b"",
        b"a\r\n\r\n\r\n",
        b"bare\r\nlf\r\ncr\r\n.\r\nMAIL FROM:<x@y>\r\n",
    ]
    with SmtpServer(features=features) as server:
        sent = send(server, [letter(n, body=lambda body=body: body) for n, body in enumerate(bodies)])  # type: ignore[misc]
        assert kinds(sent) == ["Sent"] * len(bodies)
        assert server.bodies == expected


def test_body_and_next_envelope_travel_together() -> None:
    with SmtpServer() as server:
        send(server, letters(10))
        (talk,) = server.talks
        verbs = [line.split(" ")[0] for line in talk.lines]
    assert verbs == ["EHLO", *["MAIL", "RCPT", "DATA"] * 10, "QUIT"]


def test_the_next_mail_is_made_before_the_replies_are_read() -> None:
    made: list[int] = []
    seen: list[int] = []

    def body(number: int) -> Callable[[], bytes]:
        return lambda: (made.append(number), text(number))[1]  # type: ignore[func-returns-value]

    def rule(talk: Talk, line: str) -> None:
        wait_until(lambda: len(made) >= min(len(seen) + 2, 5))
        seen.append(len(made))

    with SmtpServer({"data": rule}) as server:
        send(server, [letter(n, body=body(n)) for n in range(1, 6)])
    assert seen[0] >= 2


def test_parameters_are_used_only_where_they_are_offered() -> None:
    persian = "سلام\r\n".encode()
    envelope = replace(letter(1, body=lambda: persian), envelope_id="m+1=x")
    with SmtpServer() as server:
        send(server, [envelope])
        (mail,) = server.mails
    assert mail.mail_line == (
        f"MAIL FROM:<b+1@bounce.example.com> SIZE={len(persian)} BODY=8BITMIME RET=HDRS ENVID=m+2B1+3Dx"
    )
    assert mail.rcpt_line == "RCPT TO:<alice1@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;alice1@example.org"
    with SmtpServer(features=("PIPELINING",)) as server:
        send(server, [replace(envelope, body=lambda: text(1))])
        (mail,) = server.mails
    assert mail.mail_line == "MAIL FROM:<b+1@bounce.example.com>"
    assert mail.rcpt_line == "RCPT TO:<alice1@example.org>"


def test_a_server_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    with SmtpServer({"ehlo": always(b"502 5.5.1 what?\r\n")}) as server:
        assert kinds(send(server, letters(3))) == ["Sent"] * 3
        assert "HELO client.invalid" in server.talks[0].lines


def test_the_null_sender_is_written_as_such() -> None:
    with SmtpServer() as server:
        send(server, [replace(letter(1), sender="")])
        assert server.mails[0].mail_line.startswith("MAIL FROM:<> ")


def test_sessions_are_kept_between_sends_and_ended_politely() -> None:
    with SmtpServer() as server:
        transport = SmtpTransport(relay(server))
        for number in (1, 2, 3):
            assert kinds(send_all(transport, [letter(number)]).values()) == ["Sent"]
        transport.close()
        assert wait_until(lambda: server.talks[0].lines[-1] == "QUIT")
        assert len(server.talks) == 1


def test_an_idle_session_the_server_has_closed_is_not_used_again() -> None:
    with SmtpServer({"rset": always(Close())}) as server:
        transport = SmtpTransport(relay(server))
        send_all(transport, [letter(1)])
        server.hang_up()
        assert kinds(send_all(transport, [letter(2)]).values()) == ["Sent"]
        assert len(server.talks) == 2
        transport.close()


@BOTH_WAYS
def test_a_connection_carries_no_more_than_it_may(features: tuple[str, ...]) -> None:
    with SmtpServer(features=features) as server:
        assert kinds(send(server, letters(25), limits=Limits(1, per_connection=10))) == ["Sent"] * 25
        assert [talk.mails for talk in server.talks] == [10, 10, 5]


def test_the_rate_is_kept() -> None:
    with SmtpServer() as server:
        started = time.monotonic()
        send(server, letters(10), limits=Limits(1, rate=100))
        assert time.monotonic() - started >= 0.09


def test_a_source_without_end_is_drawn_only_as_far_as_needed() -> None:
    drawn = 0
    transport: SmtpTransport

    def source() -> Iterator[Envelope]:
        nonlocal drawn
        while True:
            drawn += 1
            if drawn == 200:
                transport.stop(5)
            yield letter(drawn)

    with SmtpServer() as server:
        transport = SmtpTransport(relay(server, 4))
        tally = transport.send(source(), Collected())
        assert drawn - 12 <= tally.drawn <= drawn
        assert tally.sent == len(server.mails)
        assert tally.sent + tally.not_tried == tally.drawn
        transport.close()


def test_one_mail_opens_one_connection() -> None:
    with SmtpServer() as server:
        send(server, letters(1), connections=8)
        assert len(server.talks) == 1


# ---------------------------------------------------------------- refusals


STAGES = {"mail": Stage.MAIL, "rcpt": Stage.RCPT, "data": Stage.DATA, "final": Stage.FINAL}


@BOTH_WAYS
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_4xx_at_any_stage_lands_on_its_own_mail(features: tuple[str, ...], stage: str, number: int) -> None:
    with SmtpServer({stage: nth(number, b"451 4.3.0 not now\r\n")}, features=features) as server:
        outcomes = send(server, letters(5))
        expected = ["Sent"] * 5
        expected[number - 1] = "Deferred"
        assert kinds(outcomes) == expected
        deferred = outcomes[number - 1]
        assert isinstance(deferred, Deferred)
        assert deferred.stage is STAGES[stage]
        assert tempers(server) == [n for n in range(1, 6) if n != number]
        assert len(server.talks) == 1


@BOTH_WAYS
@pytest.mark.parametrize("stage", STAGES)
def test_a_5xx_at_any_stage_lands_on_its_own_mail(features: tuple[str, ...], stage: str) -> None:
    with SmtpServer({stage: nth(2, b"550-5.1.1 no such\r\n550 5.1.1 user\r\n")}, features=features) as server:
        outcomes = send(server, letters(4))
        refused = outcomes[1]
        assert isinstance(refused, Refused)
        assert (refused.stage, refused.reply_class) == (STAGES[stage], ReplyClass.HARD)
        assert refused.reply.text == "no such\nuser"
        assert tempers(server) == [1, 3, 4]


@BOTH_WAYS
def test_every_second_recipient_unknown_takes_nobody_else_along(features: tuple[str, ...]) -> None:
    rules = {"rcpt": for_recipient("bob", b"550 5.1.1 user unknown\r\n")}
    people = [letter(n, f"{'bob' if n % 2 else 'alice'}{n}@example.org") for n in range(20)]
    with SmtpServer(rules, features=features) as server:
        assert kinds(send(server, people, 3)) == ["Refused", "Sent"][::-1] * 10
        assert all(one.startswith("alice") for one in server.recipients)
        assert len(server.mails) == 10


def test_a_server_that_says_354_although_nobody_is_to_get_it_gets_an_empty_mail_and_no_more() -> None:
    rules: dict[str, Rule] = {
        "rcpt": nth(2, b"550 5.1.1 user unknown\r\n"),
        "data": always(b"354 go ahead\r\n"),
    }
    with SmtpServer(rules) as server:
        assert kinds(send(server, letters(4))) == ["Sent", "Refused", "Sent", "Sent"]
        assert tempers(server) == [1, 3, 4]


@pytest.mark.parametrize("code", [b"530 5.7.0 Authentication required", b"535 5.7.8 no"])
def test_a_demand_for_a_login_is_the_relays_fault_and_stops_the_sending(code: bytes) -> None:
    with SmtpServer({"mail": always(code + b"\r\n")}) as server:
        transport = SmtpTransport(relay(server))
        outcomes = kinds(send_all(transport, letters(10)).values())
        assert outcomes[:2] == ["RelayFault"] * 2
        assert set(outcomes[2:]) == {"NotTried"}
        assert not transport.is_ready
        transport.close()


def test_what_a_server_cannot_take_is_refused_before_it_is_asked() -> None:
    persian = letter(1, body="سلام\r\n".encode)
    big = letter(2, body=lambda: b"x" * 2_000 + b"\r\n")
    odd = letter(3, "علی@example.org")
    broken = letter(4, "a>\r\nRCPT TO:<evil@example.org")
    with SmtpServer(features=("PIPELINING", "SIZE 1000")) as server:
        outcomes = send(server, [persian, big, odd, broken, letter(5)])
        assert [one.reply.enhanced for one in outcomes if isinstance(one, Refused)] == [
            "5.6.3",
            "5.3.4",
            "5.6.7",
            "5.1.3",
        ]
        assert all(one.is_ours and one.reply_class is ReplyClass.BLOCK for one in outcomes if isinstance(one, Refused))
        assert tempers(server) == [5]
        assert len(server.talks[0].lines) == 5


# ---------------------------------------------------------------- 421 and the like


@BOTH_WAYS
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_421_after_other_mails_only_ends_the_connection(features: tuple[str, ...], stage: str) -> None:
    with SmtpServer({stage: nth(3, [b"421 4.7.0 enough\r\n", Close()])}, features=features) as server:
        assert kinds(send(server, letters(6))) == ["Sent"] * 6
        assert tempers(server) == [1, 2, 3, 4, 5, 6]
        assert len(server.talks) == 2


@BOTH_WAYS
def test_a_421_to_the_first_mail_slows_the_lane(features: tuple[str, ...]) -> None:
    with SmtpServer({"mail": nth(1, [b"421 4.7.0 slow down\r\n", Close()])}, features=features) as server:
        outcomes = send(server, letters(3))
        assert isinstance(outcomes[0], Deferred)
        assert outcomes[0].reply_class is ReplyClass.THROTTLE
        assert kinds(outcomes) == ["Deferred", "Sent", "Sent"]


def test_a_421_to_the_final_dot_defers_that_mail_and_sends_the_rest_elsewhere() -> None:
    with SmtpServer({"final": nth(2, [b"421 4.3.2 going down\r\n", Close()])}) as server:
        assert kinds(send(server, letters(4))) == ["Sent", "Deferred", "Sent", "Sent"]
        assert tempers(server) == [1, 3, 4]


@pytest.mark.parametrize("greeting", [b"421 4.3.2 busy\r\n", b"554 5.7.1 go away\r\n"])
def test_a_server_that_will_not_talk_is_at_fault_and_nothing_counts(greeting: bytes) -> None:
    with SmtpServer({"connect": always([greeting, Close()])}) as server:
        outcomes = send(server, letters(3))
        fault = outcomes[0]
        assert isinstance(fault, RelayFault)
        assert fault.stage is Stage.GREETING
        assert fault.reply
        assert fault.reply.code == int(greeting[:3])


def test_nobody_listening_is_the_relays_fault() -> None:
    with SmtpServer() as server:
        gone = relay(server)
    outcomes = send_all(SmtpTransport(gone), letters(2))
    fault = outcomes[MessageKey(1, 1)]
    assert isinstance(fault, RelayFault)
    assert fault.stage is Stage.CONNECT
    assert isinstance(outcomes[MessageKey(2, 1)], NotTried)


def test_a_server_that_bears_two_connections_gets_everything_over_two() -> None:
    def greet(talk: Talk, line: str) -> list[bytes | Close] | None:
        return [b"421 4.7.0 too many connections\r\n", Close()] if talk.number > 2 else None

    with SmtpServer({"connect": greet}) as server:  # type: ignore[dict-item]
        assert kinds(send(server, letters(60), 8)) == ["Sent"] * 60
        assert len(server.mails) == 60


# ---------------------------------------------------------------- dying and lying servers


@BOTH_WAYS
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("hard", [False, True])
def test_a_connection_lost_before_the_body_loses_nothing(features: tuple[str, ...], stage: str, hard: bool) -> None:
    with SmtpServer({stage: nth(3, Close(hard=hard))}, features=features) as server:
        outcomes = send(server, letters(6))
        lost = kinds(outcomes).count("Uncertain")
        assert kinds(outcomes).count("Sent") == 6 - lost
        # a reset may swallow the reply to the mail before; a close never does
        assert lost <= (1 if hard and features == DEFAULT_FEATURES else 0)
        assert tempers(server) == [1, 2, 3, 4, 5, 6]


@BOTH_WAYS
@pytest.mark.parametrize("has_it", [True, False])
@pytest.mark.parametrize("hard", [False, True])
def test_a_connection_lost_after_the_final_dot_is_uncertain(
    features: tuple[str, ...], has_it: bool, hard: bool
) -> None:
    steps: list[Take | Close] = [Take(), Close(hard=hard)] if has_it else [Close(hard=hard)]
    with SmtpServer({"final": nth(3, steps)}, features=features) as server:  # type: ignore[arg-type]
        outcomes = send(server, letters(6))
        assert kinds(outcomes) == ["Sent", "Sent", "Uncertain", "Sent", "Sent", "Sent"]
        assert tempers(server) == ([1, 2, 3, 4, 5, 6] if has_it else [1, 2, 4, 5, 6])


@BOTH_WAYS
@pytest.mark.parametrize(
    "answer",
    [
        b"hello there\r\n",
        b"\xff\xfe\x00\r\n",
        b"25\r\n",
        b"354 go on\r\n",
        b"x" * 20_000,
        b"250-and\r\n251 other\r\n",
        b"199 early\r\n",
        b"250 " + b"x" * 9_000,
    ],
    ids=["words", "binary", "short", "354", "endless", "mixed", "199", "long"],
)
def test_garbage_after_the_final_dot_is_uncertain(features: tuple[str, ...], answer: bytes) -> None:
    with SmtpServer({"final": nth(2, [answer, Wait(0.05), Close()])}, features=features) as server:
        assert kinds(send(server, letters(3))) == ["Sent", "Uncertain", "Sent"]


@BOTH_WAYS
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "connect", "ehlo"])
def test_garbage_before_the_body_only_costs_the_connection(features: tuple[str, ...], stage: str) -> None:
    with SmtpServer({stage: nth(1, b"what is this\r\n")}, features=features) as server:
        outcomes = kinds(send(server, letters(3)))
        assert "Uncertain" not in outcomes
        if stage in {"connect", "ehlo"}:
            assert outcomes == ["RelayFault", "NotTried", "NotTried"]
        else:
            assert outcomes == ["Sent"] * 3


def test_a_server_that_dies_in_the_middle_of_its_reply_leaves_the_mail_uncertain() -> None:
    with SmtpServer({"final": nth(1, [b"250-2.0.0 well\r\n250 2.", Close()])}) as server:
        assert kinds(send(server, letters(2))) == ["Uncertain", "Sent"]


def test_a_reply_that_drips_is_waited_for_but_not_for_ever() -> None:
    with SmtpServer({"final": nth(1, Drip(b"250 ok\r\n", 0.01))}) as server:
        assert kinds(send(server, letters(2))) == ["Sent", "Sent"]
    with SmtpServer({"final": nth(1, Drip(b"250 " + b"x" * 1_000, 0.05))}) as server:
        transport = SmtpTransport(replace(relay(server), timeouts=replace(SHORT, final=0.3)))
        started = time.monotonic()
        assert kinds(send_all(transport, letters(2)).values()) == ["Uncertain", "Sent"]
        assert time.monotonic() - started < 2
        transport.close()


@BOTH_WAYS
def test_silence_after_the_final_dot_is_uncertain_and_before_it_is_not(features: tuple[str, ...]) -> None:
    quick = Timeouts(connect=1, greeting=1, command=0.15, data=0.15, body=1, final=0.15)
    for stage, expected in (("final", ["Sent", "Uncertain", "Sent"]), ("rcpt", ["Sent", "Sent", "Sent"])):
        with SmtpServer({stage: nth(2, Wait(5))}, features=features) as server:
            transport = SmtpTransport(replace(relay(server), timeouts=quick))
            assert kinds(send_all(transport, letters(3)).values()) == expected
            transport.close()


def test_a_reply_that_comes_after_the_time_is_not_taken_for_the_next_mails() -> None:
    def late(talk: Talk, _line: str) -> bytes | None:
        if talk is not server.talks[0]:
            return None
        assert wait_until(lambda: len(server.talks) > 1)  # until the first connection was given up
        return b"550 5.1.1 no such user\r\n"

    quick = replace(SHORT, final=0.3)
    with SmtpServer({"final": late}) as server:
        transport = SmtpTransport(replace(relay(server), timeouts=quick))
        assert kinds(send_all(transport, letters(3)).values()) == ["Uncertain", "Sent", "Sent"]
        transport.close()


def test_a_server_that_never_gets_anywhere_is_given_up() -> None:
    with SmtpServer({"mail": always(Close())}) as server:
        transport = SmtpTransport(relay(server))
        outcomes = kinds(send_all(transport, letters(20)).values())
        assert outcomes.count("RelayFault") <= 3
        assert outcomes.count("NotTried") == 20 - outcomes.count("RelayFault")
        assert len(server.talks) == 3
        transport.close()


def test_a_server_that_hangs_up_while_the_body_is_written_has_not_taken_it() -> None:
    big = text(1) + b"x" * 70 + b"\r\n"
    big += (b"y" * 76 + b"\r\n") * 200_000

    with SmtpServer({"data": nth(1, [b"354 go\r\n", Close(hard=True)])}, features=("PIPELINING",)) as server:
        assert kinds(send(server, [letter(1, body=lambda: big), letter(2)])) == ["Sent", "Sent"]
        assert len(server.mails) == 2


# ---------------------------------------------------------------- the hooks


class Recording(Collected):
    """Keeps the order of what was asked and told, per connection."""

    def __init__(self, forbid: dict[int, HandOverForbidden] | None = None) -> None:
        super().__init__()
        self.log: list[tuple[str, int, int]] = []
        self.forbid = forbid or {}
        self.lock = threading.Lock()

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        with self.lock:
            self.log.append(("begin", key.message, connection))
        if key.message in self.forbid:
            raise self.forbid[key.message]

    def after_reply(self, settlement: Settlement) -> None:
        super().after_reply(settlement)
        with self.lock:
            self.log.append(("end", settlement.key.message, settlement.connection))


def test_on_each_connection_one_mail_ends_before_the_next_begins() -> None:
    hooks = Recording()
    with SmtpServer() as server:
        transport = SmtpTransport(relay(server, 4))
        transport.send(letters(200), hooks)
        transport.close()
    for slot in range(1, 5):
        mine = [(what, number) for what, number, where in hooks.log if where == slot]
        assert [what for what, _ in mine] == ["begin", "end"] * (len(mine) // 2)
        assert all(mine[n][1] == mine[n + 1][1] for n in range(0, len(mine), 2))
    assert len(hooks.log) == 400


def test_the_server_has_no_mail_that_was_not_begun() -> None:
    hooks = Recording()
    seen: list[bool] = []

    def rule(talk: Talk, line: str) -> None:
        number = int(line.split("<")[1].split("@", maxsplit=1)[0])
        seen.append(any(one[:2] == ("begin", number) for one in hooks.log))

    with SmtpServer({"final": rule}) as server:
        transport = SmtpTransport(relay(server, 2))
        transport.send(letters(40), hooks)
        transport.close()
    assert seen == [True] * 40


@BOTH_WAYS
def test_a_mail_forbidden_at_the_last_moment_does_not_leave(features: tuple[str, ...]) -> None:
    hooks = Recording({3: HandOverForbidden("withdrawn", is_final=False)})
    with SmtpServer(features=features) as server:
        transport = SmtpTransport(relay(server))
        transport.send(letters(6), hooks)
        transport.close()
        assert tempers(server) == [1, 2, 4, 5, 6]
    assert hooks.outcomes[MessageKey(3, 1)] == NotTried("withdrawn")
    assert kinds(hooks.outcomes.values()).count("Sent") == 5


@BOTH_WAYS
def test_a_full_journal_stops_everything_and_nothing_more_leaves(features: tuple[str, ...]) -> None:
    hooks = Recording({3: HandOverForbidden("the journal cannot be written")})
    with SmtpServer(features=features) as server:
        transport = SmtpTransport(relay(server))
        tally = transport.send(iter(letters(50)), hooks)
        transport.close()
        assert tempers(server) == [1, 2]
    assert tally.sent == 2
    assert tally.not_tried == tally.drawn - 2
    assert tally.drawn <= 5


def test_a_fault_in_a_hook_is_raised_and_lets_no_further_mail_go() -> None:
    class Broken(Collected):
        def before_final_dot(self, key: MessageKey, connection: int) -> None:
            if key.message == 2:
                raise KeyError("bug")

    with SmtpServer() as server:
        transport = SmtpTransport(relay(server))
        with pytest.raises(KeyError, match="bug"):
            transport.send(letters(9), Broken())
        transport.close()
        assert tempers(server) == [1]


def test_a_fault_in_the_source_is_raised_after_the_others_have_finished() -> None:
    def source() -> Iterator[Envelope]:
        yield from letters(5)
        raise RuntimeError("the database is gone")

    hooks = Collected()
    with SmtpServer() as server:
        transport = SmtpTransport(relay(server))
        with pytest.raises(RuntimeError, match="database"):
            transport.send(source(), hooks)
        transport.close()
        assert len(server.mails) == kinds(hooks.outcomes.values()).count("Sent")
    assert len(hooks.outcomes) == 5
    assert "Uncertain" not in kinds(hooks.outcomes.values())


def test_a_mail_that_cannot_be_made_takes_nobody_along() -> None:
    def broken() -> bytes:
        raise ValueError("no such variable")

    def decided() -> bytes:
        raise NoBody("the offer has ended")

    with SmtpServer() as server:
        outcomes = send(server, [letter(1), letter(2, body=broken), letter(3, body=decided), letter(4)])
        assert tempers(server) == [1, 4]
    assert isinstance(outcomes[1], NotTried)
    assert isinstance(outcomes[1].error, ValueError)
    assert outcomes[2] == NotTried("the offer has ended")


def test_want_of_memory_is_no_mails_fault_and_is_told_to_whoever_sends() -> None:
    def starved() -> bytes:
        raise MemoryError

    hooks = Collected()
    with SmtpServer() as server:
        transport = SmtpTransport(relay(server))
        with pytest.raises(MemoryError):
            transport.send([letter(1), letter(2, body=starved), letter(3)], hooks)
        transport.close()
        assert tempers(server) == [1]
    assert {key.message: kind for key, kind in zip(hooks.outcomes, kinds(hooks.outcomes.values()), strict=True)} == {
        1: "Sent",
        2: "NotTried",
    }
    assert [outcome.error for outcome in hooks.outcomes.values() if isinstance(outcome, NotTried)] == [None]


# ---------------------------------------------------------------- stopping


def test_a_stop_finishes_what_is_in_flight_and_draws_no_more() -> None:
    with SmtpServer({"final": lambda talk, line: [Wait(0.02), b"250 ok\r\n"]}) as server:
        transport = SmtpTransport(relay(server, 2))
        hooks = Collected()
        sending = threading.Thread(target=transport.send, args=(iter(letters(10_000)), hooks))
        sending.start()
        wait_until(lambda: len(server.mails) >= 4)
        transport.stop(5)
        sending.join(3)
        assert not sending.is_alive()
        assert kinds(hooks.outcomes.values()).count("Sent") == len(server.mails) < 100
        assert set(kinds(hooks.outcomes.values())) <= {"Sent", "NotTried"}
        transport.close()


def test_after_a_stop_nothing_is_drawn_any_more() -> None:
    with SmtpServer() as server:
        transport = SmtpTransport(relay(server))
        transport.stop(1.0)
        source = iter(letters(5))
        assert transport.send(source, Collected()) == Tally()
        assert len(list(source)) == 5
    assert server.mails == []


def test_a_stop_does_not_wait_longer_than_its_grace() -> None:
    patient = replace(SHORT, final=60)
    with SmtpServer({"final": always(Wait(30))}) as server:
        transport = SmtpTransport(replace(relay(server), timeouts=patient))
        hooks = Collected()
        sending = threading.Thread(target=transport.send, args=(letters(5), hooks))
        sending.start()
        wait_until(lambda: bool(server.talks and server.talks[0].mails))
        started = time.monotonic()
        transport.stop(0.2)
        sending.join(5)
        assert time.monotonic() - started < 1
        assert kinds(hooks.outcomes.values()).count("Uncertain") == 1
        assert kinds(hooks.outcomes.values()).count("NotTried") == len(hooks.outcomes) - 1


def test_a_failed_relay_rests_longer_each_time_and_is_forgiven_after_a_success() -> None:
    now = 1_000.0
    with SmtpServer({"connect": nth(1, Close())}) as server:
        transport = SmtpTransport(relay(server), clock=lambda: now)
        send_all(transport, letters(1))
        ready = [transport.is_ready]
        now += 16
        ready.append(transport.is_ready)
        assert kinds(send_all(transport, letters(1)).values()) == ["Sent"]
        ready.append(transport.is_ready)
        assert ready == [False, True, True]
        transport.close()
