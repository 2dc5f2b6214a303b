"""Deliver: takes what is due, asks permission again, writes it, hands it over, and records how that ended.

Owns the round of one worker: claim → door → journal → transport → record. Between reading and recording nothing is
held open; what left the house is in the journal before the database knows. Must not decide whom to mail.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from app.actions.compose import Chosen, MailShelf, compose
from app.actions.door import leaving
from app.actions.offers import AGAIN_AFTER, NOTHING, Prepared, keep_clocks, prepare
from app.actions.outcomes import Verdict, verdict_of
from app.actions.shelf import Shelf, Shelved
from app.core.delivery import Answer, Go, Never, NotYet
from app.core.instants import SECOND, Instant, Span
from app.core.person import MailClass, MessageState
from app.disk.journal import Journal, JournalFull
from app.mail.transports import Envelope, HandOverForbidden, MessageKey, NoBody, Settlement, Transport
from app.store import bodies, claims, people, permissions
from app.store.claims import Claim, Wanted
from app.store.engine import StoreError
from app.store.letters import Letter, letters
from app.world import World

log = structlog.get_logger()

LEASE: Span = 120 * SECOND
STOP_BEFORE: Span = 20 * SECOND
"""No final dot is written later than this before the lease ends."""
CHUNK = 16
"""Permission is asked again for so many letters at a time."""
AGAIN = (0.5, 1.0, 2.0, 5.0)
"""Seconds between tries to record while the database is away; the last one is repeated for ever."""


@dataclass(slots=True)
class Load:
    """What one round carries: letters with the version each is written with, and what came of them."""

    shelved: Shelved
    letters: list[tuple[Letter, Chosen]]
    began: float
    promised: Prepared = NOTHING
    """What the letters with an offer may say of it."""
    settled: list[Settlement] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)
    """Message → what was sent, compressed, for those who look at it later."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Courier:
    """One worker's hands. `owner` is the held folder's name and life; nobody else claims under it."""

    def __init__(self, world: World, shelf: Shelf, transport: Transport, journal: Journal, owner: str) -> None:
        self._world = world
        self._shelf = shelf
        self._mails = MailShelf()
        self._transport = transport
        self._journal = journal
        self._owner = owner
        self._is_stopping = False

    def deliver(self, mail_class: MailClass) -> int:
        """Hand over what is due of one class until nothing is left. Returns how many were taken."""
        total = 0
        while not self._is_stopping and self._transport.is_ready and not self._journal.fault:
            taken = self._round(mail_class)
            total += taken
            if not taken:
                break
            self._world.rest()
        return total

    def stop(self, grace: float = 10.0) -> None:
        """Take nothing more; what is in flight is finished within the grace."""
        self._is_stopping = True
        self._transport.stop(grace)

    # ── One round ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _round(self, mail_class: MailClass) -> int:
        load, taken = self._take(mail_class)
        if load is None:
            return taken
        try:
            self._hand_over(load)
        finally:
            self._record(load)
        return taken

    def _take(self, mail_class: MailClass) -> tuple[Load | None, int]:
        """Claim, ask at the door, read the letters: one transaction."""
        now, wall = self._world.now(), self._world.wall()
        with self._world.transaction("write") as session:
            shelved = self._shelf.look(session)
            if shelved is None:
                return None, 0
            claimed: list[Claim] = []
            for lane in claims.lanes_due(session, mail_class, now):
                room = self._world.settings.claim - len(claimed)
                if room > 0:
                    wanted = Wanted(mail_class, lane, room, now, wall + LEASE)
                    claimed += claims.claim(session, self._owner, wanted)
            answers = leaving(session, shelved, [claim.id for claim in claimed], now)
            go = self._turned_away(session, claimed, answers, now)
            found = letters(session, [claim.id for claim in go])
            promised = prepare(self._world, session, shelved, found)
            found = self._without_promise(session, found, promised, now)
            chosen = [(letter, self._mails.choose(session, shelved, letter.mail, letter.locale)) for letter in found]
            self._park(session, [letter for letter, version in chosen if version is None], now)
        ready = [(letter, version) for letter, version in chosen if version is not None]
        return (Load(shelved, ready, self._world.monotonic(), promised) if ready else None), len(claimed)

    def _turned_away(
        self, session: Session, claimed: Sequence[Claim], answers: dict[int, Answer], now: Instant
    ) -> list[Claim]:
        """Give back and settle those who may not leave; return those who may."""
        go = [claim for claim in claimed if isinstance(answers.get(claim.id), Go)]
        ended = []
        for claim in claimed:
            match answers.get(claim.id):
                case NotYet() as later:
                    claims.give_back(session, self._owner, [claim], later.until)
                case Never() as never:
                    state = MessageState.WITHDRAWN if never.is_withdrawn else MessageState.SKIPPED
                    ended.append(claims.Settlement(claim.id, claim.claim_no, state, now, never.code, counts=False))
                case _:
                    pass
        settled = claims.settle(session, self._owner, ended)
        people.wake(session, {each.subscriber_id for each in settled}, now)
        return go

    def _without_promise(self, session: Session, found: list[Letter], promised: Prepared, now: Instant) -> list[Letter]:
        """A mail that could not keep its promise does not leave: it waits for a code, or is skipped with the reason."""
        if not promised.held and not promised.skipped:
            return found
        held = [Claim(letter.id, letter.claim_no) for letter in found if letter.id in promised.held]
        claims.give_back(session, self._owner, held, now + AGAIN_AFTER)
        ended = [
            claims.Settlement(
                letter.id, letter.claim_no, MessageState.SKIPPED, now, promised.skipped[letter.id], counts=False
            )
            for letter in found
            if letter.id in promised.skipped
        ]
        settled = claims.settle(session, self._owner, ended)
        people.wake(session, {each.subscriber_id for each in settled}, now)
        return [each for each in found if each.id not in promised.held and each.id not in promised.skipped]

    def _park(self, session: Session, lost: Sequence[Letter], now: Instant) -> None:
        parked = [
            claims.Settlement(letter.id, letter.claim_no, MessageState.PARKED, now, "no_such_mail", counts=False)
            for letter in lost
        ]
        claims.settle(session, self._owner, parked)

    # ── Handing over ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _hand_over(self, load: Load) -> None:
        self._transport.send(self._envelopes(load), _Hooks(self, load))

    def _envelopes(self, load: Load) -> Iterator[Envelope]:
        """Draw letters in chunks: each chunk is allowed by the journal, and from the second on asked about again."""
        waiting = list(load.letters)
        while waiting and not self._is_stopping:
            keys = [(letter.id, letter.claim_no) for letter, _ in waiting[:CHUNK]]
            try:
                allowed = self._journal.allow(keys)
            except JournalFull:
                log.error("journal_full", reason=self._journal.fault)
                return
            chunk, waiting = waiting[:allowed], waiting[allowed:]
            stopped = self._stopped(load, chunk) if load.settled else frozenset()
            yield from (self._envelope(load, letter, version, letter.id in stopped) for letter, version in chunk)

    def _stopped(self, load: Load, chunk: Sequence[tuple[Letter, Chosen]]) -> frozenset[int]:
        """Who may not leave any more: she may have left while the letters before hers went out."""
        now = self._world.now()
        with self._world.transaction("read") as session:
            answers = leaving(session, load.shelved, [letter.id for letter, _ in chunk], now)
        return frozenset(message_id for message_id, answer in answers.items() if not isinstance(answer, Go))

    def _envelope(self, load: Load, letter: Letter, version: Chosen, is_stopped: bool) -> Envelope:
        def body() -> bytes:
            if is_stopped:
                raise NoBody("asked_again")
            message = compose(self._world, load.shelved, letter, version, load.promised.given.get(letter.id))
            with load.lock:
                load.bodies[letter.id] = zlib.compress(message.html.encode(), 1)
            return message.data

        sender = self._return_path(letter)
        return Envelope(MessageKey(letter.id, letter.claim_no), sender, letter.address, body)

    def _return_path(self, letter: Letter) -> str:
        domain = self._world.settings.bounce_domain
        return f"{self._world.links.bounce_local(letter.id, letter.attempts)}@{domain}" if domain else ""

    def before_final_dot(self, load: Load, key: MessageKey, connection: int) -> None:
        """The last moment: our lease must still be good, and the journal must know."""
        late = (self._world.monotonic() - load.began) * 1_000_000 > LEASE - STOP_BEFORE
        if late:
            raise HandOverForbidden("lease")
        try:
            self._journal.begin((key.message, key.claim), connection)
        except JournalFull as full:
            raise HandOverForbidden("journal") from full

    def after_reply(self, load: Load, settlement: Settlement) -> None:
        """Write down what was answered before anything else happens on this connection."""
        verdict = verdict_of(settlement.outcome)
        if verdict.left_the_house:
            key = (settlement.key.message, settlement.key.claim)
            self._journal.end(key, verdict.state.value, verdict.reply, self._world.now())
        with load.lock:
            load.settled.append(settlement)

    # ── Recording ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _record(self, load: Load) -> None:
        """Write the outcomes down, trying for ever: what left the house must be known. A restart replays the journal."""
        attempt = 0
        while True:
            try:
                self._record_once(load)
            except StoreError as error:
                log.warning("record_failed", error=type(error).__name__, attempt=attempt)
                time.sleep(AGAIN[min(attempt, len(AGAIN) - 1)])
                attempt += 1
                continue
            self._journal.recorded([(letter.id, letter.claim_no) for letter, _ in load.letters])
            return

    def _record_once(self, load: Load) -> None:
        now = self._world.now()
        by_id = {letter.id: letter for letter, _ in load.letters}
        version = {letter.id: chosen.id for letter, chosen in load.letters}
        with self._world.transaction("write") as session:
            verdicts = [(by_id[s.key.message], verdict_of(s.outcome), s) for s in load.settled]
            rows = [
                self._settlement(letter, v, version[letter.id], now) for letter, v, _ in verdicts if not v.gives_back
            ]
            changed = claims.settle(session, self._owner, rows)
            claims.record_attempts(session, [self._attempt(letter, v, s, now) for letter, v, s in verdicts])
            sent = {each.id for each in changed if each.state is MessageState.SENT}
            left = sent | {each.id for each in changed if each.state is MessageState.UNCERTAIN}
            keep_clocks(session, [by_id[id_] for id_ in sorted(left)])
            bodies.keep(session, {key: blob for key, blob in load.bodies.items() if key in sent}, now)
            self._suppress(session, [letter for letter, v, _ in verdicts if v.suppresses], now)
            people.wake(session, {each.subscriber_id for each in changed}, now)
            settled = {row.id for row in rows}
            rest = [Claim(letter.id, letter.claim_no) for letter in by_id.values() if letter.id not in settled]
            claims.give_back(session, self._owner, rest)

    def _settlement(self, letter: Letter, verdict: Verdict, version: int, now: Instant) -> claims.Settlement:
        due_at = None if verdict.retry_in is None else now + verdict.retry_in * 2 ** min(letter.attempts, 6)
        return claims.Settlement(
            id=letter.id,
            claim_no=letter.claim_no,
            state=verdict.state,
            at=now,
            reason=verdict.reason,
            reply=verdict.reply,
            due_at=due_at,
            counts=verdict.counts,
            mail_version_id=version,
        )

    @staticmethod
    def _attempt(letter: Letter, verdict: Verdict, settlement: Settlement, now: Instant) -> claims.Attempt:
        return claims.Attempt(
            message_id=letter.id,
            number=letter.claim_no,
            at=now,
            relay=settlement.relay,
            stage=verdict.stage,
            code=verdict.code,
            enhanced=verdict.enhanced,
            outcome=verdict.state.value,
            text=verdict.reply,
        )

    def _suppress(self, session: Session, refused: Sequence[Letter], now: Instant) -> None:
        """A hard answer: this address gets nothing any more."""
        for letter in refused:
            people.mark_suppressed(session, letter.subscriber_id)
            hash_ = permissions.address_hash(self._world.secret, letter.address.casefold())
            permissions.suppress(session, permissions.Suppression(hash_, "hard_bounce", now, message_id=letter.id))


class _Hooks:
    def __init__(self, courier: Courier, load: Load) -> None:
        self._courier = courier
        self._load = load

    def before_final_dot(self, key: MessageKey, connection: int) -> None:
        self._courier.before_final_dot(self._load, key, connection)

    def after_reply(self, settlement: Settlement) -> None:
        self._courier.after_reply(self._load, settlement)
