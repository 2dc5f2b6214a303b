"""Streams: at each beat the first article this person never received.

Owns how a run of a stream campaign moves. Must not time or permit mails: that is the gate.
"""

from __future__ import annotations

from app.core.campaign import Article, Campaign, Stream
from app.core.facts import FactKind
from app.core.instants import Instant
from app.core.nurture.desk import Desk
from app.core.nurture.mailing import mail_step
from app.core.person import OPEN_STATES, Code, Finish, Finished, Run, RunState
from app.core.replacing import replace
from app.core.windows import next_beat

BEATS = 100
"""So many missed beats are made up for at one instant at most; what is older was not wanted any more."""


def walk_stream(desk: Desk, run: Run, campaign: Campaign) -> None:
    """Send what the beats since the last one ask for, then wait for the next."""
    if campaign.stream is None:
        return
    for _ in range(BEATS):
        run = _after_last_mail(desk.runs[run.key])
        beat = next_beat((run.began_at or desk.now) + 1, campaign.stream.beat, desk.zone)
        if _is_under_way(desk, run):
            desk.stand(run, RunState.WAITING, Code.QUEUED, None)
            return
        if desk.now < beat:
            desk.stand(replace(run, until=beat), RunState.WAITING, Code.WAITS, beat, until_at=beat)
            return
        if not _at_beat(desk, run, campaign, campaign.stream, beat):
            return


def _after_last_mail(run: Run) -> Run:
    last = max((done.at for done in run.finished.values()), default=run.began_at or 0)
    return replace(run, began_at=max(last, run.began_at or last))


def _is_under_way(desk: Desk, run: Run) -> bool:
    return any(message.state in OPEN_STATES for message in desk.messages_of(run.key))


def _at_beat(desk: Desk, run: Run, campaign: Campaign, stream: Stream, beat: Instant) -> bool:
    """One beat; False when the run stands still or ended over it."""
    article = _next_article(desk, run, stream, beat)
    if article is None:
        desk.note(Code.STREAM_DRY, run, "", beat_at=beat)
        desk.put(replace(run, began_at=beat))
        return True
    at_beat = desk.put(replace(run, began_at=beat))
    done = mail_step(desk, at_beat, campaign, article)
    if done is None:
        return False
    if done.finish is Finish.GHOST:
        desk.finish(desk.runs[run.key], article.id, Finished(Finish.GHOST, beat))
    return True


def _next_article(desk: Desk, run: Run, stream: Stream, beat: Instant) -> Article | None:
    received = {fact.name for fact in desk.facts.of(FactKind.RECEIVED)}
    for article in stream.articles.get(run.sequence, ()):
        is_new = article.mail not in received and article.id not in run.finished
        is_current = article.until_at is None or beat < article.until_at
        if is_new and is_current and (article.when is None or desk.holds(article.when)):
            return article
    return None
