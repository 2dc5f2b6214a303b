"""Handing over: letters as envelopes for a transport, and what is asked and written down around the final dot.

Owns the last questions before a mail leaves: is the lease good, is permission fresh, does the journal know. Must not
claim and must not write to the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import structlog

from app.actions.compose import Chosen, compose, return_path
from app.actions.deliver_taking import Load, Post
from app.actions.door import leaving
from app.actions.outcomes import Verdict, verdict_of
from app.core.delivery import Go
from app.core.person import MailClass
from app.core.replacing import swift
from app.disk.journal import JournalFull
from app.mail.dkim import sign
from app.mail.smtp_routes import Mailing
from app.mail.transports import Envelope, HandOverForbidden, MessageKey, NoBody, Settlement
from app.store.bodies import pack
from app.store.engine import StoreError
from app.store.gate import GateClosedError
from app.store.letters import Letter

log = structlog.get_logger()

AHEAD_BYTES = 1_000_000
"""Nothing is written ahead when so much is."""
ASKED_FOR = 0.5
"""Seconds an answer at the door is good for: then all of the load are asked about again, in one go."""

_Key: TypeAlias = tuple[int, int]


@swift
@dataclass(frozen=True, slots=True)
class Ended:
    """How one letter of a load ended; without a settlement it was never drawn."""

    load: Load
    letter: Letter
    version: Chosen
    verdict: Verdict | None = None
    relay: str = ""
    body: bytes | None = None
    """What was sent, packed."""

    @property
    def key(self) -> _Key:
        return self.letter.id, self.letter.claim_no


@dataclass(slots=True)
class _Drawn:
    """One letter between its drawing and its end."""

    load: Load
    letter: Letter
    version: Chosen
    body: bytes | None = None
    """What is sent, packed."""
    data: bytes = b""
    """What is sent, when it was written ahead."""
    written_at: float = 0.0


class Handing:
    """The hooks of a transport for one shift. `settled` is told each end, on the sending thread."""

    def __init__(self, post: Post, first_slot: int, settled: Callable[[Ended], None]) -> None:
        self._post = post
        self._world = post.world
        self._monotonic = post.world.monotonic
        self._first_slot = first_slot
        self._settled = settled
        self._drawn: dict[_Key, _Drawn] = {}

    # ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def envelopes(self, load: Load, is_over: Callable[[], bool]) -> Iterator[Envelope]:
        """Draw letters in chunks, each allowed by the journal before it may begin. The rest stays in the load."""
        while not load.is_over and not is_over() and self._monotonic() < load.until:
            chunk = load.undrawn()[: self._post.journal.stride]
            try:
                allowed = self._post.journal.allow([(letter.id, letter.claim_no) for letter, _ in chunk])
            except JournalFull:
                log.error("journal_full", reason=self._post.journal.fault)
                return
            group = [_Drawn(load, letter, version) for letter, version in chunk[:allowed]]
            if self._post.signers:
                self._sign_together(group)
            for drawn in group:
                load.drawn += 1
                yield self._envelope(drawn)

    def _envelope(self, drawn: _Drawn) -> Envelope:
        letter, routes = drawn.letter, self._post.routes
        key = MessageKey(letter.id, letter.claim_no)
        self._drawn[key] = drawn
        return Envelope(
            key,
            return_path(self._world, letter),
            letter.address,
            partial(self._body, drawn),
            relays=routes.of(mailing_of(letter)) if routes.are_any else (),
            is_wire_ready=True,
            lane=letter.lane,
            at_once=self._post.paces.lane(letter.lane).connections if letter.mail_class is MailClass.MARKETING else 0,
        )

    def _body(self, drawn: _Drawn) -> bytes:
        """Write the mail, on the sending thread. Raises NoBody when it may not leave any more."""
        load, letter = drawn.load, drawn.letter
        if self._monotonic() - load.asked_at >= ASKED_FOR:
            self._ask_again(load)
        if letter.id in load.stopped:
            raise NoBody("asked_again")
        if letter.lane in load.slowed and letter.mail_class is MailClass.MARKETING:
            raise NoBody("lane_rests")
        data, drawn.data = drawn.data, b""
        is_fresh = data and self._monotonic() - drawn.written_at < ASKED_FOR
        return data if is_fresh else self._signed(self._written(drawn))

    def _written(self, drawn: _Drawn) -> bytes:
        load, letter, version = drawn.load, drawn.letter, drawn.version
        message = compose(self._world, load.shelved, letter, version, load.promised.given.get(letter.id))
        drawn.body = pack(*message.filled, version.id, version.mail.html)
        return message.data

    def _signed(self, data: bytes) -> bytes:
        return sign(data, self._post.signers, self._world.now(), is_relaxed=True) if self._post.signers else data

    def _sign_together(self, group: Sequence[_Drawn]) -> None:
        """Write these mails one after another, then sign them one after another.

        Each work finds the processor's caches as it left them: beside RSA, writing takes half as long again. What
        cannot be written is tried once more when it is its turn, and says why.
        """
        size = 0
        for drawn in group:
            if size < AHEAD_BYTES:
                with suppress(Exception):
                    drawn.data = self._written(drawn)
                    size += len(drawn.data)
        for drawn in group:
            if drawn.data:
                drawn.data = self._signed(drawn.data)
                drawn.written_at = self._monotonic()

    def _ask_again(self, load: Load) -> None:
        """She may have left while the letters before hers went out; without an answer nothing leaves."""
        with load.lock:
            began = self._monotonic()
            if began - load.asked_at < ASKED_FOR:
                return
            try:
                with self._world.transaction("read") as session:
                    shelved = self._post.shelf.look(session) or load.shelved
                    answers = leaving(session, shelved, [letter.id for letter, _ in load.letters], self._world.now())
            except (StoreError, GateClosedError) as error:
                raise NoBody("asked_in_vain") from error
            load.stopped = frozenset(key for key, answer in answers.items() if not isinstance(answer, Go))
            load.asked_at = began

    # ── Hooks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        """The last moment: our lease must still be good, permission fresh, and the journal must know."""
        load, now = self._drawn[key].load, self._monotonic()
        if now - load.asked_at >= ASKED_FOR:
            try:
                self._ask_again(load)
            except NoBody as unanswered:
                raise HandOverForbidden(str(unanswered), is_final=False) from unanswered
            now = self._monotonic()
        if key.message in load.stopped:
            raise HandOverForbidden("asked_again", is_final=False)
        if now > load.until:
            raise HandOverForbidden("lease")
        try:
            self._post.journal.begin(key, self._first_slot + connection)
        except JournalFull as full:
            raise HandOverForbidden("journal") from full

    def after_reply(self, settlement: Settlement) -> None:
        """Write down what was answered before anything else happens on this connection."""
        key = settlement.key
        drawn = self._drawn.pop(key)
        verdict = verdict_of(settlement.outcome)
        if verdict.left_the_house:
            self._post.journal.end(key, verdict.word, verdict.reply, self._world.now())
        self._learn(drawn.load, drawn.letter, verdict)
        self._settled(Ended(drawn.load, drawn.letter, drawn.version, verdict, settlement.relay, drawn.body))

    def _learn(self, load: Load, letter: Letter, verdict: Verdict) -> None:
        """Whoever asks for patience gets it at once: the rest of the lane's letters stay here."""
        if verdict.slows:
            if self._post.paces.slowed(letter.lane, verdict.reply):
                load.slowed = load.slowed | {letter.lane}
        elif verdict.left_the_house:
            self._post.paces.thanks(letter.lane)


def mailing_of(letter: Letter) -> Mailing:
    """What routes ask of a letter."""
    is_service = letter.mail_class is not MailClass.MARKETING
    return Mailing(letter.campaign, letter.address.rpartition("@")[2].lower(), is_service)
