"""Recover: settles what a dead worker left behind, message by message, from its journal.

Owns the meaning of a journal's account. Whoever holds the folder's lock knows that the last owner is dead, so nothing
waits for leases. Running it twice changes nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app.actions.bounces import Held, hold_against
from app.actions.outcomes import again_at, verdict_of_word
from app.core.instants import Instant
from app.core.person import MessageState
from app.disk.journal import Account, Doubtful, Finished, Untouched, accounts
from app.mail.lanes import GIVE_UP_AFTER, Trying
from app.store import claims, people, returns
from app.store.claims import Attempt, Settled, Settlement
from app.world import World


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many messages of dead workers were recorded, became uncertain, or went back into the queue."""

    recorded: int = 0
    uncertain: int = 0
    given_back: int = 0

    def __add__(self, other: Recovered) -> Recovered:
        return Recovered(
            self.recorded + other.recorded, self.uncertain + other.uncertain, self.given_back + other.given_back
        )


def recover(world: World, folder: Path, boot: str, *, but: int | None = None) -> Recovered:
    """Settle every earlier life of a folder whose lock is held; `but` is the life that is running."""
    total = Recovered()
    for account in accounts(folder, boot, but=but):
        with world.transaction("write") as session:
            total += _settle(world, session, account, world.now())
        account.forget()
    return total


def _settle(world: World, session: Session, account: Account, now: Instant) -> Recovered:
    owner = str(account.owner)
    held = {(claim.id, claim.claim_no): claim for claim in claims.held_by(session, owner)}
    finished = [known for known in account.known.values() if isinstance(known, Finished)]
    doubtful = [held[key] for key, known in account.known.items() if isinstance(known, Doubtful) and key in held]
    untouched = [claim for key, claim in held.items() if isinstance(account.known.get(key), Untouched)]
    unnamed = [claim for key, claim in held.items() if key not in account.known]
    lost, free = (doubtful, untouched + unnamed) if account.is_whole else (doubtful + unnamed, untouched)
    recorded = claims.settle(session, owner, [_ended(known) for known in finished])
    _follow(world, session, finished, recorded, now)
    uncertain = claims.lose(session, owner, lost, now)
    people.wake(session, {each.subscriber_id for each in (*recorded, *uncertain)}, now)
    return Recovered(len(recorded), len(uncertain), claims.give_back(session, owner, free))


def _ended(known: Finished) -> Settlement:
    """What was answered, as it would have been recorded; a mail put off is tried again after its usual time."""
    verdict = verdict_of_word(known.outcome, known.reply)
    trying = Trying(1, known.at, known.at + GIVE_UP_AFTER)
    due_at = again_at(verdict, trying, known.at, 0.0) if verdict.state is MessageState.WAITING else None
    return Settlement(*known.key, verdict.state, known.at, verdict.reason or "journal", known.reply, due_at)


def _follow(world: World, session: Session, finished: list[Finished], recorded: list[Settled], now: Instant) -> None:
    """What an answer says against an address holds though its worker died before it could say so."""
    changed = {each.id: each for each in recorded}
    claims.record_attempts(session, [_attempt(known) for known in finished if known.key[0] in changed])
    for known in finished:
        verdict = verdict_of_word(known.outcome, known.reply)
        sent = returns.by_message(session, known.key[0]) if verdict.suppresses or verdict.is_soft else None
        if sent is not None and known.key[0] in changed and not sent.is_team:
            words = (verdict.reason, known.reply, sent.mail)
            hold_against(world, session, Held(sent.subscriber_id, sent.address_key, sent.message_id, *words), now)


def _attempt(known: Finished) -> Attempt:
    state = known.outcome.partition(":")[0]
    return Attempt(known.key[0], known.key[1], known.at, relay="journal", outcome=state, text=known.reply)
