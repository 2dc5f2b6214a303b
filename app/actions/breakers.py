"""Breakers: too many complaints, dead addresses, farewells or refusals of us stop a campaign, or all of them.

Owns when that is, the evidence that is kept, and the one mail and call to whoever has to know. A breaker never resumes
anything by itself: a person looks and decides, and what happened before is not held against it twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.calling import ALARM
from app.actions.pace import without_addresses
from app.actions.publish import wake_concerned
from app.actions.shelf import Shelf, Shelved
from app.core.book import Standing
from app.core.instants import DAY, Instant
from app.core.person import MailClass
from app.core.site import Guards
from app.mail.values import number, percent
from app.store import accounts, alarms, editions, outbox, steering, waking
from app.store.accounts import Deed
from app.store.messages import NewMessage, queue_by_cause
from app.store.waking import Concerned
from app.world import World

log = structlog.get_logger()

ALARM_MAIL = "system/sending-stopped"
BLOCKS = 0.05
"""Above this share of refusals that are about us, all marketing stops."""
LEAST: Mapping[str, int] = {"complaints": 2, "hard_bounces": 5, "unsubscribes": 5, "blocks": 20}
"""So many there must be at least: one complaint in a small day proves nothing."""
_KINDS = {"complaints": "complained", "hard_bounces": "bounced", "unsubscribes": "unsubscribed"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why something was stopped: `what` happened `number` times among `sent` mails since an instant; `most` is allowed.

    `campaign` "" : all of them.
    """

    campaign: str
    what: str
    number: int
    sent: int
    most: float
    since: Instant

    @property
    def share(self) -> float:
        return self.number / max(self.sent, 1)

    @property
    def command(self) -> str:
        """What lets it go on, at a prompt."""
        return f"parvar resume {self.campaign or '--all'}"


def watch(world: World, shelf: Shelf) -> tuple[Evidence, ...]:
    """Look at the last day, and stop what must not go on. Returns what was stopped now."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        found = _judge(session, shelved, world.now()) if shelved is not None else []
    if shelved is None or not found:
        return ()
    with world.transaction("write") as session:
        for evidence in found:
            _stop(world, session, shelved, evidence)
    wake_concerned(world, shelf)
    return tuple(found)


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _judge(session: Session, shelved: Shelved, now: Instant) -> list[Evidence]:
    day = now - DAY
    mails = alarms.mails_since(session, day)
    book = shelved.book
    running = [key for key in book.campaigns if book.standing(key) is Standing.LIVE]
    stops = alarms.last_stops(session, [*running, ""])
    found = [] if book.is_paused else _blocks(mails, stops.get("", 0), day)
    since = {key: max(day, stops.get(key, 0)) for key in running}
    for what, most in _shares(book.site.guards).items():
        counts = _count(session, _KINDS[what], since, day)
        found += [
            Evidence(key, what, number, mails[key, "sent"], most, since[key])
            for key, number in counts.items()
            if number >= LEAST[what] and number > most * mails[key, "sent"]
        ]
    return list({each.campaign: each for each in reversed(found)}.values())


def _shares(guards: Guards) -> dict[str, float]:
    return {
        "complaints": guards.complaints,
        "hard_bounces": guards.hard_bounces,
        "unsubscribes": guards.unsubscribes,
    }


def _count(session: Session, kind: str, since: Mapping[str, Instant], day: Instant) -> Counter[str]:
    """Campaign → how many different people, since it was last stopped or let go on."""
    seen = {
        (campaign, person)
        for campaign, at, person in alarms.returns_since(session, kind, day)
        if campaign in since and at > since[campaign]
    }
    return Counter(campaign for campaign, _ in seen)


def _blocks(mails: Counter[tuple[str, str]], stopped_at: Instant, day: Instant) -> list[Evidence]:
    """Refusals that are about us. The counters know days only: within the day of a stop they are not asked again."""
    blocked = sum(number for (_, what), number in mails.items() if what == "block")
    tried = blocked + sum(number for (_, what), number in mails.items() if what == "sent")
    if stopped_at > day or blocked < LEAST["blocks"] or blocked <= BLOCKS * tried:
        return []
    return [Evidence("", "blocks", blocked, tried, BLOCKS, day)]


# ── Stopping ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _stop(world: World, session: Session, shelved: Shelved, evidence: Evidence) -> None:
    if evidence.campaign:
        steering.stand(session, evidence.campaign, Standing.PAUSED.value, None)
        waking.begin(session, Concerned(frozenset({evidence.campaign})), world.now())
    else:
        editions.set_paused(session, is_paused=True)
        waking.begin(session, Concerned(is_everybody=True), world.now())
    detail = json.dumps(asdict(evidence) | {"share": round(evidence.share, 5)}, sort_keys=True)
    accounts.note(session, Deed(world.wall(), alarms.BREAKER, alarms.BREAKER, evidence.campaign, detail))
    if world.settings.alarm_webhook:
        outbox.put(session, ALARM, f"alarm:{evidence.campaign or '*'}:{world.now()}", detail, world.now())
    log.error("sending_stopped", campaign=evidence.campaign, what=evidence.what, number=evidence.number)
    _tell(world, session, shelved, evidence)


def _tell(world: World, session: Session, shelved: Shelved, evidence: Evidence) -> None:
    """One mail for one incident, to the campaign's owner."""
    locale = shelved.book.site.locales[0] if shelved.book.site.locales else ""
    person = alarms.newest_subscriber(session, locale)
    if ALARM_MAIL not in shelved.book.mails or person is None:
        log.warning("notice_without_mail", mail=ALARM_MAIL)
        return
    campaign = shelved.book.campaigns.get(evidence.campaign)
    now = world.now()
    words = _words(evidence, campaign.title.in_locale(locale) if campaign else "", locale)
    words["url"] = f"{world.settings.base_url}/dashboard/delivery"
    if evidence.what == "blocks":
        words["reply"] = without_addresses(alarms.newest_block(session))
    new = NewMessage(
        public_id=world.new_id(),
        subscriber_id=person,
        cause_key=f"notice:sending-stopped:{evidence.campaign}:{now}",
        mail=ALARM_MAIL,
        mail_class=MailClass.TEAM,
        at=now,
        recipient=(campaign.owner if campaign else "") or shelved.book.site.sender.address,
        data=json.dumps(words),
    )
    queue_by_cause(session, new)


def _words(evidence: Evidence, title: str, locale: str) -> dict[str, str]:
    """What the mail may say of it; `title` and `campaign` are "" when everything was stopped."""
    share, most = (percent(round(one * 100, 2), locale) for one in (evidence.share, evidence.most))
    return {
        "campaign": evidence.campaign,
        "title": title or evidence.campaign,
        "what": evidence.what,
        "number": number(evidence.number, locale),
        "sent": number(evidence.sent, locale),
        "share": share,
        "most": most,
        "reply": "",
        "command": evidence.command,
    }


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop that lasts: since when, by the machine's clock, and why."""

    at: Instant
    evidence: Evidence


def lasting(world: World) -> tuple[Stopped, ...]:
    """What breakers stopped and nobody has let go on; what was stopped for everything comes first."""
    with world.transaction("read") as session:
        found = alarms.stopped(session)
    return tuple(Stopped(at, _evidence(subject, detail)) for subject, (at, detail) in found.items())


def _evidence(campaign: str, detail: str) -> Evidence:
    told = json.loads(detail) if detail else {}
    number, sent, since = (int(told.get(name, 0)) for name in ("number", "sent", "since"))
    return Evidence(campaign, str(told.get("what", "")), number, sent, float(told.get("most", 0)), since)
