"""One mail at a time by the standard library's smtplib, with a transcript: for test mails and for `parvar doctor mail`.

Owns the second opinion: a client that is not ours, so that a fault of ours can be told from a fault of the relay.
Must not be used for bulk; passwords never reach the transcript.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from app.mail.replies import Reply, ReplyClass, Stage, classify_reply, is_relay_fault, parse_reply
from app.mail.smtp_session import SessionFault, host_name, parse_offer, refusal, tls_context
from app.mail.smtp_stream import wire_form
from app.mail.smtp_token import Ask, NoToken, Tokens
from app.mail.smtp_url import Login, SmtpRelay, Tls
from app.mail.transports import (
    NO_LIMIT,
    Deferred,
    Envelope,
    HandOverForbidden,
    Hooks,
    NotTried,
    Outcome,
    Refused,
    RelayFault,
    Sent,
    Settlement,
    Tally,
    Tallying,
    Uncertain,
    make_body,
)


class SimpleTransport:
    """A new connection for each mail. `transcript` holds the lines of the last one, `>` ours and `<` theirs."""

    def __init__(self, relay: SmtpRelay, ask: Ask | None = None) -> None:
        self.relay = relay
        self._tokens = Tokens(relay, ask=ask)
        self.transcript: list[str] = []
        self._is_stopped = False

    @property
    def name(self) -> str:
        return self.relay.name

    @property
    def is_ready(self) -> bool:
        return not self._is_stopped

    @property
    def room(self) -> int:
        return NO_LIMIT

    def stop(self, grace: float) -> None:  # noqa: ARG002 - one mail at a time ends by itself
        self._is_stopped = True

    def close(self) -> None:
        """Nothing is held open."""

    def send(self, envelopes: Iterable[Envelope], hooks: Hooks) -> Tally:
        counting = Tallying(hooks)
        source = iter(envelopes)
        while not self._is_stopped and (envelope := next(source, None)):
            outcome = self._send_one(envelope, counting)
            counting.after_reply(Settlement(envelope.key, outcome, self.name, 1))
            if isinstance(outcome, RelayFault):
                break
        return counting.tally()

    def _send_one(self, envelope: Envelope, hooks: Tallying) -> Outcome:
        body = make_body(envelope)
        if isinstance(body, NotTried):
            return body
        self.transcript = []
        client = _Client(self.relay, self.transcript)
        try:
            client.open(self._tokens)
        except (OSError, smtplib.SMTPException, SessionFault, NoToken) as fault:
            client.close()
            return _opening_fault(client.stage, fault)
        try:
            return client.hand_over(envelope, body, hooks)
        except HandOverForbidden as forbidden:
            self._is_stopped = forbidden.is_final
            return NotTried(forbidden.reason)
        finally:
            client.leave()


class _Client(smtplib.SMTP):
    """smtplib, told to keep a transcript instead of printing one."""

    def __init__(self, relay: SmtpRelay, transcript: list[str]) -> None:
        super().__init__(local_hostname=relay.helo or host_name(), timeout=relay.timeouts.command)
        self._relay = relay
        self._transcript = transcript
        self._is_secret = False
        self._is_midway = False
        self.stage = Stage.CONNECT

    def open(self, tokens: Tokens) -> None:
        relay = self._relay
        self._expect(Stage.GREETING, self._connect())
        self.stage = Stage.EHLO
        self.ehlo_or_helo_if_needed()
        if relay.tls is Tls.REQUIRED or (relay.tls is Tls.WHEN_OFFERED and self.has_extn("starttls")):
            self.stage = Stage.TLS
            self._expect(Stage.TLS, self.starttls(context=tls_context(relay)))
            self.ehlo()
        if relay.user:
            self.stage = Stage.AUTH
            self._is_secret = True
            if relay.login is Login.XOAUTH2:
                bearer = f"user={relay.user}\1auth=Bearer {tokens.get()}\1\1"
                self.auth("XOAUTH2", lambda challenge=None: bearer if challenge is None else "")
            else:
                self.login(relay.user, relay.password)
            self._is_secret = False

    def _connect(self) -> tuple[int, bytes]:
        relay = self._relay
        self._host = relay.host  # what STARTTLS verifies; smtplib sets it only in its constructor
        return self.connect(relay.host, relay.port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        if self._relay.tls is Tls.IMPLICIT:
            self.stage = Stage.TLS
            return tls_context(self._relay).wrap_socket(plain, server_hostname=host)
        return plain

    def _expect(self, stage: Stage, answer: tuple[int, bytes]) -> None:
        self.stage = stage
        if not 200 <= answer[0] < 300:
            raise smtplib.SMTPResponseException(*answer)

    def hand_over(self, envelope: Envelope, body: bytes, hooks: Tallying) -> Outcome:
        """The transaction; every answer is turned into an outcome."""
        offer = parse_offer(Reply(250, "", (self.ehlo_resp or b"").decode("ascii", "replace")))
        if fault := refusal(offer, envelope.sender, envelope.recipient, body):
            return Refused(fault, Stage.MAIL, ReplyClass.BLOCK, is_ours=True)
        try:
            for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA):
                self.stage = stage
                reply = _reply(self._ask(stage, envelope))
                if not (reply.code == 354 if stage is Stage.DATA else reply.is_positive):
                    return _outcome(reply, stage)
        except (OSError, smtplib.SMTPException) as fault:
            return RelayFault(self.stage, str(fault))
        self._is_midway = True
        hooks.before_final_dot(envelope.key, 1)
        return self._finish(body)

    def _ask(self, stage: Stage, envelope: Envelope) -> tuple[int, bytes]:
        if stage is Stage.MAIL:
            return self.mail(envelope.sender)
        return self.rcpt(envelope.recipient) if stage is Stage.RCPT else self.docmd("DATA")

    def _finish(self, body: bytes) -> Outcome:
        self.stage = Stage.FINAL
        try:
            self.send(b"".join(wire_form(body)))
            self._transcript.append(f"> ({len(body)} bytes)")
            reply = _reply(self.getreply())
        except (OSError, smtplib.SMTPException) as fault:
            return Uncertain(Stage.FINAL, str(fault))
        self._is_midway = False
        return Sent(reply) if reply.is_positive else _outcome(reply, Stage.FINAL)

    def leave(self) -> None:
        """Say goodbye, unless the server waits for a body that does not come."""
        if not self._is_midway:
            with suppress(OSError, smtplib.SMTPException):
                self.quit()
        self.close()

    def putcmd(self, cmd: str, args: str = "") -> None:
        self._transcript.append(f"> {_hidden(cmd, args, self._is_secret)}")
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        self._transcript.extend(f"< {code} {line}" for line in text.decode("utf-8", "replace").split("\n"))
        return code, text


_SHOWN: Final = frozenset(("AUTH", "EHLO", "HELO"))


def _hidden(command: str, arguments: str, is_secret: bool) -> str:
    if not is_secret or command.upper() in _SHOWN - {"AUTH"}:
        return f"{command} {arguments}".strip()
    return f"AUTH {arguments.split(' ', maxsplit=1)[0]} …" if command.upper() == "AUTH" else "…"


def _reply(answer: tuple[int, bytes]) -> Reply:
    code, text = answer
    if not 200 <= code <= 599:
        raise smtplib.SMTPServerDisconnected("no reply")
    lines = text.split(b"\n") or [b""]
    return parse_reply([b"%d %s" % (code, line) for line in lines])


def _outcome(reply: Reply, stage: Stage) -> Outcome:
    if reply.is_transient:
        return Deferred(reply, stage, classify_reply(reply, stage))
    if not reply.is_permanent or is_relay_fault(reply):
        fault = RelayFault(stage, str(reply), reply)
        return Uncertain(stage, str(reply)) if stage is Stage.FINAL and not reply.is_permanent else fault
    return Refused(reply, stage, classify_reply(reply, stage))


def _opening_fault(stage: Stage, fault: Exception) -> RelayFault:
    if isinstance(fault, smtplib.SMTPResponseException) and 200 <= fault.smtp_code <= 599:
        error = fault.smtp_error if isinstance(fault.smtp_error, bytes) else str(fault.smtp_error).encode()
        reply = _reply((fault.smtp_code, error))
        return RelayFault(stage, f"the server said {reply}", reply)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return RelayFault(Stage.TLS, f"the certificate is not valid: {fault.verify_message}")
    return RelayFault(stage, str(fault) or type(fault).__name__)
