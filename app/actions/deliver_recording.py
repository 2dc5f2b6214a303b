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
from app.store import alarms, claims, endings, paces
from app.store.claims import Claim
from app.store.endings import Ending, Way
from app.store.ledgers import StepCount, add_counts
from app.store.letters import Letter

log = structlog.get_logger()

LONGEST = 5 * DAY
"""A mail without a freshness of its own is tried for so long (RFC 5321 §4.5.4.1)."""


_Known: TypeAlias = tuple[Ended, Verdict]


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
        owner = self._post.owner
        found = _endings(self._post, session, self._known, self._now)
        changed = endings.write(session, owner, found, self._now)
        self._states = {each.id: each.way.state for each in found if each.id in changed}
        self._keep_clocks(session)
        self._hold(session)
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

    def _keep_clocks(self, session: Session) -> None:
        """What a mail that left said of an offer's end holds from now on."""
        offering = [each.letter for each, _ in self._known if each.letter.offer]
        keep_clocks(session, [letter for letter in offering if self._states.get(letter.id) in _GONE])

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


def _endings(post: Post, session: Session, known: Sequence[_Known], now: Instant) -> list[Ending]:
    waiting = [each.letter for each, verdict in known if verdict.state is MessageState.WAITING]
    first = claims.first_attempts(session, [letter.id for letter in waiting if letter.attempts])
    return [_ending(post, each, first, now) for each in known]


def _ending(post: Post, known: _Known, first: Mapping[int, Instant], now: Instant) -> Ending:
    ended, verdict = known
    letter, state, reason, due_at = ended.letter, verdict.state, verdict.reason, None
    if state is MessageState.WAITING:
        due_at = again_at(verdict, _trying(letter, first.get(letter.id, now)), now, chance(post))
        if due_at is None:
            state, reason = MessageState.SKIPPED, "gave_up"
    is_tried = bool(verdict.code or verdict.stage)
    answer = is_tried, ended.relay, verdict.stage, verdict.code, verdict.enhanced
    way = Way(state, verdict.state, reason, due_at, verdict.counts, ended.version.id, *answer)
    return Ending(letter.id, letter.claim_no, way, verdict.reply, ended.body)


def _trying(letter: Letter, first_at: Instant) -> Trying:
    fresh = letter.fresh_until if letter.fresh_until is not None else first_at + LONGEST
    return Trying(letter.attempts + 1, first_at, fresh)


def chance(post: Post) -> float:
    """A number from 0 to 1, out of the world's own chance."""
    return int.from_bytes(post.world.new_id()[:4], "big") / 2**32
