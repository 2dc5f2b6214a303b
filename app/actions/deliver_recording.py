"""Recording: what became of letters, written down in one transaction: states, attempts, bodies, what follows.

Owns the consequences of an outcome in rows. Doing it twice changes nothing more, for every write names owner and claim
number. Must not talk to a network.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from app.core.replacing import swift
from app.mail.lanes import Trying
from app.store import alarms, bodies, claims, paces, people
from app.store.claims import Attempt, Claim, Settled, Settlement
from app.store.letters import Letter

log = structlog.get_logger()

LONGEST = 5 * DAY
"""A mail without a freshness of its own is tried for so long (RFC 5321 §4.5.4.1)."""


@swift
@dataclass(frozen=True, slots=True)
class _Known:
    ended: Ended
    verdict: Verdict


def record(post: Post, ended: Sequence[Ended]) -> None:
    """Write down how these ended. Raises StoreError or GateClosedError; then nothing is written."""
    now = post.world.now()
    known = [_Known(each, each.verdict) for each in ended if each.verdict and not each.verdict.gives_back]
    back = [Claim(*each.key) for each in ended if not each.verdict or each.verdict.gives_back]
    with post.world.transaction("write") as session:
        changed = claims.settle(session, post.owner, _settlements(post, session, known, now))
        claims.record_attempts(
            session, [_attempt(each, now) for each in known if each.verdict.code or each.verdict.stage]
        )
        _keep(session, known, changed, now)
        _hold(post, session, known, changed, now)
        _count(session, known, changed, now)
        _count_lanes(post, session, known, now)
        over = {each.subscriber_id for each in changed if each.state is not MessageState.WAITING}
        people.wake(session, over, now)
        if back:
            claims.give_back(session, post.owner, back)
            claims.find_again(session, post.owner, back)
    if len(changed) < len(known):
        _log_late(known, changed)


def _settlements(post: Post, session: Session, known: Sequence[_Known], now: Instant) -> list[Settlement]:
    waiting = [each.ended.letter for each in known if each.verdict.state is MessageState.WAITING]
    first = claims.first_attempts(session, [letter.id for letter in waiting if letter.attempts])
    return [_settlement(post, each, first, now) for each in known]


def _settlement(post: Post, known: _Known, first: Mapping[int, Instant], now: Instant) -> Settlement:
    letter, verdict = known.ended.letter, known.verdict
    state, reason, due_at = verdict.state, verdict.reason, None
    if state is MessageState.WAITING:
        due_at = again_at(verdict, _trying(letter, first.get(letter.id, now)), now, chance(post))
        if due_at is None:
            state, reason = MessageState.SKIPPED, "gave_up"
    return Settlement(
        id=letter.id,
        claim_no=letter.claim_no,
        state=state,
        at=now,
        reason=reason,
        reply=verdict.reply,
        due_at=due_at,
        counts=verdict.counts,
        mail_version_id=known.ended.version.id,
    )


def _trying(letter: Letter, first_at: Instant) -> Trying:
    fresh = letter.fresh_until if letter.fresh_until is not None else first_at + LONGEST
    return Trying(letter.attempts + 1, first_at, fresh)


def chance(post: Post) -> float:
    """A number from 0 to 1, out of the world's own chance."""
    return int.from_bytes(post.world.new_id()[:4], "big") / 2**32


def _attempt(known: _Known, now: Instant) -> Attempt:
    letter, verdict = known.ended.letter, known.verdict
    return Attempt(
        message_id=letter.id,
        number=letter.claim_no,
        at=now,
        relay=known.ended.relay,
        stage=verdict.stage,
        code=verdict.code,
        enhanced=verdict.enhanced,
        outcome=verdict.state.value,
        text=verdict.reply,
    )


def _keep(session: Session, known: Sequence[_Known], changed: Sequence[Settled], now: Instant) -> None:
    """What was sent is kept to the letter; what it said of an offer's end holds from now on."""
    left = {each.id for each in changed if each.state in (MessageState.SENT, MessageState.UNCERTAIN)}
    gone = [each.ended for each in known if each.ended.letter.id in left]
    keep_clocks(session, [each.letter for each in gone])
    bodies.keep(session, {each.letter.id: each.body for each in gone if each.body is not None}, now)


def _hold(post: Post, session: Session, known: Sequence[_Known], changed: Sequence[Settled], now: Instant) -> None:
    """What an answer says against an address; never for team mail, which goes to our own people."""
    states = {each.id: each.state for each in changed}
    for each in known:
        letter, verdict = each.ended.letter, each.verdict
        is_given_up = states.get(letter.id) is MessageState.SKIPPED and verdict.reason == "soft"
        if letter.id not in states or letter.mail_class is MailClass.TEAM:
            continue
        if verdict.suppresses or verdict.is_soft or is_given_up:
            held = Held(letter.subscriber_id, letter.address_key, letter.id, verdict.reason, verdict.reply, letter.mail)
            hold_against(post.world, session, held, now)


def _count(session: Session, known: Sequence[_Known], changed: Sequence[Settled], now: Instant) -> None:
    """The day's counters, which breakers look at."""
    states = {each.id: each.state for each in changed}
    found: Counter[tuple[str, str]] = Counter()
    for each in known:
        letter, state = each.ended.letter, states.get(each.ended.letter.id)
        if letter.mail_class is MailClass.MARKETING and letter.campaign and state in _COUNTED:
            found[letter.campaign, "sent" if state is MessageState.SENT else each.verdict.reason] += 1
    alarms.count_mails(session, found, now)


def _count_lanes(post: Post, session: Session, known: Sequence[_Known], now: Instant) -> None:
    """The lanes' counters, which a warm-up and the rate are worked out from."""
    answered = [each for each in known if each.verdict.left_the_house]
    post.paces.done(len(answered))
    ends: dict[str, list[tuple[str, MessageState, str]]] = defaultdict(list)
    for each in answered:
        letter = each.ended.letter
        if letter.mail_class is MailClass.MARKETING:
            domain = each.ended.load.shelved.book.site.sender.address.rpartition("@")[2].lower()
            ends[domain].append((post.paces.lane(letter.lane).name, each.verdict.state, each.verdict.reason))
    for domain, of_domain in ends.items():
        paces.count_lanes(session, domain, lane_tally(of_domain), now)


_COUNTED = frozenset((MessageState.SENT, MessageState.REFUSED))


def _log_late(known: Sequence[_Known], changed: Sequence[Settled]) -> None:
    done = {each.id for each in changed}
    for each in known:
        if each.ended.letter.id not in done:
            log.warning("truth_moved_on", message_id=each.ended.letter.id, outcome=each.verdict.state.value)
