"""Recording: what became of letters, written down in one transaction: states, attempts, bodies, what follows.

Owns the consequences of an outcome in rows. Doing it twice changes nothing more, for every write names owner and claim
number. Must not talk to a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import structlog
from sqlalchemy.orm import Session

from app.actions.bounces import Held, hold_against
from app.actions.deliver_handing import Ended
from app.actions.deliver_taking import Post
from app.actions.offers import keep_clocks
from app.actions.outcomes import Verdict, again_at
from app.actions.pace import lane_tally
from app.core.instants import DAY, Instant
from app.core.person import MailClass, MessageState
from app.mail.lanes import Trying
from app.store import alarms, bodies, claims, paces, people
from app.store.claims import Attempt, Claim, Settlement
from app.store.ledgers import StepCount, add_counts
from app.store.letters import Letter

log = structlog.get_logger()

LONGEST = 5 * DAY
"""A mail without a freshness of its own is tried for so long (RFC 5321 §4.5.4.1)."""


_Known: TypeAlias = tuple[Ended, Verdict]


def record(post: Post, ended: Sequence[Ended]) -> None:
    """Write down how these ended. Raises StoreError or GateClosedError; then nothing is written."""
    recording = Recording(post, ended)
    with post.world.transaction("write") as session:
        recording.write(session)
        recording.count(session)
    recording.done()


class Recording:
    """How some letters ended, on its way into a transaction of the caller's. Made anew for each try.

    First `write`; `count` last of all, for other workers wait for these rows; `done` when it is committed.
    """

    def __init__(self, post: Post, ended: Sequence[Ended]) -> None:
        self._post = post
        self._now = post.world.now()
        self._known = [(each, each.verdict) for each in ended if each.verdict and not each.verdict.gives_back]
        self._back = [Claim(*each.key) for each in ended if not each.verdict or each.verdict.gives_back]
        self._states: Mapping[int, MessageState] = {}
        """Of messages whose state did change."""

    def write(self, session: Session) -> None:
        """States, attempts, bodies, what is held against an address, whom to wake, what goes back."""
        owner, known = self._post.owner, self._known
        changed = claims.settle(session, owner, _settlements(self._post, session, known, self._now))
        self._states = {each.id: each.state for each in changed}
        tried = [_attempt(each, verdict, self._now) for each, verdict in known if verdict.code or verdict.stage]
        claims.record_attempts(session, tried)
        self._keep(session)
        self._hold(session)
        over = {each.subscriber_id for each in changed if each.state is not MessageState.WAITING}
        people.wake(session, over, self._now)
        if self._back:
            claims.give_back(session, owner, self._back)
            claims.find_again(session, owner, self._back)

    def count(self, session: Session) -> None:
        """The counters of the day: of campaigns, which breakers look at, and of lanes, for the warm-up."""
        add_counts(session, {**alarms.mail_counts(self._mails(), self._now), **self._lanes()})

    def done(self) -> None:
        """What is said of it once it is written."""
        self._post.paces.done(sum([verdict.left_the_house for _, verdict in self._known]))
        for each, verdict in self._known if len(self._states) < len(self._known) else ():
            if each.letter.id not in self._states:
                log.warning("truth_moved_on", message_id=each.letter.id, outcome=verdict.state.value)

    # ── What follows ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, session: Session) -> None:
        """What was sent is kept to the letter; what it said of an offer's end holds from now on."""
        states = self._states
        gone = [each for each, _ in self._known if states.get(each.letter.id) in _GONE]
        keep_clocks(session, [each.letter for each in gone])
        bodies.keep(session, {each.letter.id: each.body for each in gone if each.body is not None}, self._now)

    def _hold(self, session: Session) -> None:
        """What an answer says against an address; never for team mail, which goes to our own people."""
        for each, verdict in self._known:
            letter, state = each.letter, self._states.get(each.letter.id)
            if state is MessageState.SENT or state is None or letter.mail_class is MailClass.TEAM:
                continue
            is_given_up = state is MessageState.SKIPPED and verdict.reason == "soft"
            if verdict.suppresses or verdict.is_soft or is_given_up:
                words = verdict.reason, verdict.reply, letter.mail
                held = Held(letter.subscriber_id, letter.address_key, letter.id, *words)
                hold_against(self._post.world, session, held, self._now)

    # ── Counting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _mails(self) -> Counter[tuple[str, str]]:
        """(campaign, outcome) → how many marketing mails."""
        found: Counter[tuple[str, str]] = Counter()
        for each, verdict in self._known:
            letter, state = each.letter, self._states.get(each.letter.id)
            if state in _COUNTED and letter.campaign and letter.mail_class is MailClass.MARKETING:
                found[letter.campaign, "sent" if state is MessageState.SENT else verdict.reason] += 1
        return found

    def _lanes(self) -> Counter[StepCount]:
        """The counters of (sending domain, lane) of what was answered."""
        counts: Counter[StepCount] = Counter()
        for load in {id(each.load): each.load for each, _ in self._known}.values():
            mine = [pair for pair in self._known if pair[0].load is load and _counts(*pair)]
            ends = Counter([_end(*pair) for pair in mine])
            found: Counter[tuple[str, str]] = Counter()
            for (lane, what), number in lane_tally(ends).items():
                found[self._post.paces.lane(lane).name, what] += number
            domain = load.shelved.book.site.sender.address.rpartition("@")[2].lower()
            counts.update(paces.lane_counts(domain, found, self._now))
        return counts


def _counts(ended: Ended, verdict: Verdict) -> bool:
    return ended.letter.mail_class is MailClass.MARKETING and verdict.left_the_house


def _end(ended: Ended, verdict: Verdict) -> tuple[str, MessageState, str]:
    return ended.letter.lane, verdict.state, verdict.reason


_GONE = frozenset((MessageState.SENT, MessageState.UNCERTAIN))
_COUNTED = frozenset((MessageState.SENT, MessageState.REFUSED))


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _settlements(post: Post, session: Session, known: Sequence[_Known], now: Instant) -> list[Settlement]:
    waiting = [each.letter for each, verdict in known if verdict.state is MessageState.WAITING]
    first = claims.first_attempts(session, [letter.id for letter in waiting if letter.attempts])
    return [_settlement(post, each, first, now) for each in known]


def _settlement(post: Post, known: _Known, first: Mapping[int, Instant], now: Instant) -> Settlement:
    ended, verdict = known
    letter, state, reason, due_at = ended.letter, verdict.state, verdict.reason, None
    if state is MessageState.WAITING:
        due_at = again_at(verdict, _trying(letter, first.get(letter.id, now)), now, chance(post))
        if due_at is None:
            state, reason = MessageState.SKIPPED, "gave_up"
    counted = verdict.counts, ended.version.id
    return Settlement(letter.id, letter.claim_no, state, now, reason, verdict.reply, due_at, *counted)


def _trying(letter: Letter, first_at: Instant) -> Trying:
    fresh = letter.fresh_until if letter.fresh_until is not None else first_at + LONGEST
    return Trying(letter.attempts + 1, first_at, fresh)


def chance(post: Post) -> float:
    """A number from 0 to 1, out of the world's own chance."""
    return int.from_bytes(post.world.new_id()[:4], "big") / 2**32


def _attempt(ended: Ended, verdict: Verdict, now: Instant) -> Attempt:
    letter = ended.letter
    answer = verdict.stage, verdict.code, verdict.enhanced, verdict.state.value, verdict.reply
    return Attempt(letter.id, letter.claim_no, now, ended.relay, *answer)
