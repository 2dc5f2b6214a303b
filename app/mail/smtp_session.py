"""One SMTP conversation up to the first mail: greeting, EHLO, STARTTLS, login; and what the server offers.

Owns the opening and closing of sessions and the checks of a mail against the server's offer.
Must not send mails.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from app.mail.replies import Reply, Stage, parse_reply
from app.mail.smtp_login import Say, choose_login, log_in
from app.mail.smtp_token import NoToken, Tokens
from app.mail.smtp_url import Login, SmtpRelay, Tls, is_loopback
from app.mail.smtp_wire import Wire, WireGarbage, WireLost, connect


class SessionFault(Exception):
    """No session came about: at which stage, why, and the reply if there was one. No attempt counts."""

    def __init__(self, stage: Stage, text: str, reply: Reply | None = None) -> None:
        super().__init__(text)
        self.stage = stage
        self.text = text
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server's EHLO says it can do. `size` is its limit in bytes, 0 when it names none."""

    pipelining: bool = False
    eightbit: bool = False
    dsn: bool = False
    starttls: bool = False
    smtputf8: bool = False
    has_size: bool = False
    size: int = 0
    auth: frozenset[str] = frozenset()


def parse_offer(reply: Reply) -> Offer:
    """Read the keywords of an EHLO reply (RFC 5321 §4.1.1.1); unknown ones and nonsense are passed over."""
    words: dict[str, list[str]] = {}
    for line in reply.text.split("\n")[1:]:
        keyword, _, rest = line.replace("=", " ", 1).partition(" ")
        words.setdefault(keyword.upper(), []).append(rest.strip())
    size = words.get("SIZE", [""])[0]
    return Offer(
        pipelining="PIPELINING" in words,
        eightbit="8BITMIME" in words,
        dsn="DSN" in words,
        starttls="STARTTLS" in words,
        smtputf8="SMTPUTF8" in words,
        has_size="SIZE" in words,
        size=int(size) if size.isdigit() and size.isascii() else 0,
        auth=frozenset(" ".join(words.get("AUTH", [])).upper().split()),
    )


@dataclass(slots=True)
class Session:
    """A connection ready for MAIL. Counts the mails begun on it, those answered to the end, and those the
    server took.
    """

    wire: Wire
    offer: Offer
    relay: SmtpRelay
    born: float
    used: float
    taken: int = 0
    answered: int = 0
    sent: int = 0

    @property
    def may_chain(self) -> bool:
        return self.offer.pipelining and self.relay.may_pipeline

    def is_used_up(self, now: float) -> bool:
        """True when the limits of a connection say that no further mail should begin on it."""
        limits = self.relay.limits
        return self.taken >= limits.per_connection or now - self.born >= limits.max_age

    def is_alive(self, now: float) -> bool:
        """True when an idle session may be used again: within its limits, silent, and awake if it has slept long."""
        if self.is_used_up(now) or self.wire.has_unread:
            return False
        return now - self.used < _NAP or self._answers_noop()

    def _answers_noop(self) -> bool:
        try:
            self.wire.send(_PATIENCE, b"NOOP\r\n")
            return self.wire.read_reply(_PATIENCE)[-1].startswith(b"250")
        except WireLost:
            return False

    def quit(self) -> None:
        """Leave politely, but wait for no one."""
        with suppress(WireLost):
            self.wire.send(_PATIENCE, b"QUIT\r\n")
            self.wire.read_reply(_PATIENCE)
        self.wire.close()


_NAP: Final = 20.0
_PATIENCE: Final = 2.0


# ---------------------------------------------------------------- opening


def open_session(
    relay: SmtpRelay,
    tls: ssl.SSLContext | None,
    clock: Callable[[], float] = time.monotonic,
    watch: Callable[[Wire], None] | None = None,
    tokens: Tokens | None = None,
) -> Session:
    """Connect, greet, protect and log in. `watch` is told the wire as soon as there is one. Raises SessionFault.

    `tls` may be None where the relay's setting never asks for it.
    """
    opening = _Opening(relay, tls, clock, tokens or Tokens(relay))
    try:
        return opening.run(watch)
    except WireLost as lost:
        opening.close()
        raise SessionFault(opening.stage, str(lost)) from lost
    except BaseException:
        opening.close()
        raise


def tls_context(relay: SmtpRelay) -> ssl.SSLContext:
    """Verification is on, always; `ca=` adds a root for a relay of one's own. Raises SessionFault."""
    try:
        context = ssl.create_default_context()
        if relay.ca_file:
            context.load_verify_locations(relay.ca_file)
    except (OSError, ssl.SSLError) as fault:
        raise SessionFault(Stage.TLS, f"the file of ca= cannot be used: {fault}") from fault
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Opening:
    def __init__(
        self, relay: SmtpRelay, tls: ssl.SSLContext | None, clock: Callable[[], float], tokens: Tokens
    ) -> None:
        self._relay = relay
        self._tokens = tokens
        self._tls = tls
        self._clock = clock
        self._wire: Wire | None = None
        self.stage = Stage.CONNECT

    def run(self, watch: Callable[[Wire], None] | None) -> Session:
        relay, timeouts = self._relay, self._relay.timeouts
        wire = self._wire = connect(relay.host, relay.port, timeouts.connect, self._clock)
        if watch:
            watch(wire)
        if relay.tls is Tls.IMPLICIT:
            self.stage = Stage.TLS
            self._encrypt(wire, timeouts.connect)
        self._expect(Stage.GREETING, wire, timeouts.greeting)
        offer = self._protect(wire, self._hello(wire))
        self._log_in(wire, offer)
        now = self._clock()
        return Session(wire, offer, relay, now, now)

    def _encrypt(self, wire: Wire, timeout: float) -> None:
        if self._tls is None:
            raise SessionFault(Stage.TLS, "no TLS context was made")
        wire.encrypt(self._tls, self._relay.host, timeout)

    def close(self) -> None:
        if self._wire:
            self._wire.close()

    def _expect(self, stage: Stage, wire: Wire, timeout: float, command: bytes = b"") -> Reply:
        reply = self._ask(stage, wire, timeout, command)
        if not reply.is_positive:
            raise SessionFault(stage, f"the server said {reply}", reply)
        return reply

    def _ask(self, stage: Stage, wire: Wire, timeout: float, command: bytes = b"") -> Reply:
        self.stage = stage
        if command:
            wire.send(timeout, command)
        try:
            return parse_reply(wire.read_reply(timeout))
        except ValueError as fault:
            raise WireGarbage(str(fault)) from fault

    def _hello(self, wire: Wire) -> Offer:
        name = (self._relay.helo or host_name()).encode("ascii", "ignore")
        timeout = self._relay.timeouts.command
        reply = self._ask(Stage.EHLO, wire, timeout, b"EHLO " + name + b"\r\n")
        if reply.is_positive:
            return parse_offer(reply)
        if reply.code == 421:
            raise SessionFault(Stage.EHLO, f"the server said {reply}", reply)
        self._expect(Stage.EHLO, wire, timeout, b"HELO " + name + b"\r\n")
        return Offer()

    def _protect(self, wire: Wire, offer: Offer) -> Offer:
        wanted = self._relay.tls
        if wanted in {Tls.IMPLICIT, Tls.NEVER} or (wanted is Tls.WHEN_OFFERED and not offer.starttls):
            return offer
        if not offer.starttls:
            raise SessionFault(Stage.TLS, "the server offers no STARTTLS, and starttls=required")
        timeout = self._relay.timeouts.command
        self._expect(Stage.TLS, wire, timeout, b"STARTTLS\r\n")
        self._encrypt(wire, timeout)
        return self._hello(wire)

    def _log_in(self, wire: Wire, offer: Offer) -> None:
        relay = self._relay
        if not relay.user:
            return
        is_private = wire.is_encrypted or is_loopback(relay.host)
        way = choose_login(relay, offer.auth, is_private=is_private)
        if way is None:
            ways = ", ".join(sorted(offer.auth)) or "none"
            raise SessionFault(Stage.AUTH, f"no common way to log in; the server offers: {ways}")

        def say(line: bytes) -> Reply:
            return self._ask(Stage.AUTH, wire, relay.timeouts.command, line + b"\r\n")

        reply = log_in(way, relay.user, relay.password, say) if way is not Login.XOAUTH2 else self._with_token(say)
        if reply.code != 235:
            raise SessionFault(Stage.AUTH, f"the login was refused: {reply}", reply)

    def _with_token(self, say: Say) -> Reply:
        """A token that is refused may only be too old: once more with a new one, on the same connection."""
        self.stage = Stage.AUTH
        try:
            token = self._tokens.get()
            reply = log_in(Login.XOAUTH2, self._relay.user, token, say)
            if reply.code == 535 and self._tokens.can_refresh:
                reply = log_in(Login.XOAUTH2, self._relay.user, self._tokens.get(refused=token), say)
        except NoToken as fault:
            raise SessionFault(Stage.AUTH, str(fault)) from fault
        return reply


def host_name() -> str:
    """The name to say in EHLO: this host's, or its address literal when it has no full name (RFC 5321 §4.1.4)."""
    name = socket.getfqdn()
    if "." in name and name.isascii() and name != "localhost.localdomain":
        return name
    return "[127.0.0.1]"


# ---------------------------------------------------------------- one mail against the offer

_SENDABLE: Final = re.compile(r"[!-;=?-~]{1,256}")


def refusal(offer: Offer, sender: str, recipient: str, body: bytes) -> Reply | None:
    """Why this mail is not even offered to this server, as the reply it would deserve; None when it may be tried."""
    if not _SENDABLE.fullmatch(recipient) or (sender and not _SENDABLE.fullmatch(sender)):
        if not sender.isascii() or not recipient.isascii():
            return Reply(
                553, "5.6.7", "the address is not ASCII; internationalised local parts are not sent (RFC 6531)"
            )
        return Reply(501, "5.1.3", "the address holds a character that cannot stand in a command")
    if offer.size and len(body) > offer.size:
        return Reply(552, "5.3.4", f"the mail has {len(body)} bytes, the server takes {offer.size}")
    if not offer.eightbit and not body.isascii():
        return Reply(554, "5.6.3", "the mail is 8-bit and the server offers no 8BITMIME")
    return None


def xtext(text: str) -> str:
    """The encoding of DSN parameters (RFC 3461 §4)."""
    if _NEEDS_NO_CODE.fullmatch(text):
        return text
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c) & 0xFF:02X}" for c in text)


_NEEDS_NO_CODE: Final = re.compile(r"[!-*,-<>-~]*")
