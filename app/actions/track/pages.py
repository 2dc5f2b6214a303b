"""Pages: page views and events that a site's script told us, as rows, with the person when she proved who she is.

Owns whose a visit is: a mail's token names its reader, a typed address only claims to, a browser's own id names nobody.
Must not judge what a mail's link led to (that is judged with the mail) and must not write facts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.actions.signup import TICKET_FOR, BoxTouch, counts_of
from app.actions.track.rows import Row, Taken, sound
from app.actions.track.telling import kinds_of, typed_field
from app.core.address import provider
from app.core.facts import Value
from app.core.instants import SECOND, Instant
from app.core.site import EventType, Site
from app.core.tracked import Keeping, judge_visit, keeping
from app.core.verdicts import RULES, classify_agent
from app.disk.spool import Fact, FactKind
from app.disk.visits import BoxSeen, PageFact, read_box, read_page
from app.links import Links, Pass
from app.net.crawlers import is_crawler
from app.store import tracking, visitors
from app.store.base import clean
from app.store.ledgers import BoxCount, add_box_counts
from app.store.tracking import Mailed
from app.store.visitors import BY_BOX, CLAIMED, PROVEN, Linked, VisitorRow
from app.world import World


def take(world: World, session: Session, shelved: Shelved, facts: Sequence[Fact], taken: Taken) -> None:
    """Add the rows of page views and events, the claims of browsers, and what was seen of boxes."""
    pages = list(_read(facts, taken, shelved))
    if not pages:
        return
    known = _known(world, session, shelved.book.site, pages)
    for fact, page in pages:
        row = known.row(fact, page)
        if row is None:
            taken.unkept += 1
            continue
        taken.rows.append(row)
        claim = known.claim(fact, page)
        if claim is not None:
            taken.links.append(claim)


def _read(facts: Iterable[Fact], taken: Taken, shelved: Shelved) -> Iterable[tuple[Fact, PageFact]]:
    for fact in facts:
        try:
            if fact.kind == FactKind.BOX:
                _see_box(fact, read_box(fact), taken, shelved)
            else:
                yield fact, read_page(fact)
        except (ValueError, TypeError) as fault:
            taken.refuse(fact, str(fault))


def _see_box(fact: Fact, seen: BoxSeen, taken: Taken, shelved: Shelved) -> None:
    if seen.box in shelved.workspace.boxes:
        arms = tuple(map(sound, seen.arms))
        sane = BoxSeen(seen.box, sound(seen.metric), arms, sound(seen.page), sound(seen.source))
        taken.boxes.append((fact.at, sane))
    else:
        taken.unkept += 1


def count_boxes(session: Session, boxes: Iterable[tuple[Instant, BoxSeen]]) -> None:
    """Add what was seen of boxes to their counters."""
    counts: Counter[BoxCount] = Counter()
    for at, seen in boxes:
        counts.update(counts_of(BoxTouch(seen.box, seen.arms, seen.page, seen.source), seen.metric[:32], at))
    add_box_counts(session, counts)


# ── Whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Whose:
    """Who a fact of a page belongs to; `mail` when a link of ours led there, `address` of the person."""

    subscriber_id: int
    address: str
    mail: Mailed | None = None
    is_proven: bool = True
    said_at: Instant = 0
    """When the box gave the token: she typed the address in this browser then, whenever its script tells us."""


@dataclass(frozen=True, slots=True)
class _Known:
    """All a batch of page facts needs to know."""

    site: Site
    links: Links
    mails: Mapping[int, Mailed]
    people: Mapping[bytes, tuple[int, str]]
    browsers: Mapping[str, VisitorRow]
    answers: Mapping[int, str]
    grace: int

    def row(self, fact: Fact, page: PageFact) -> Row | None:
        """The row of a page fact; None when nothing of it may be kept, or no such event is declared."""
        event = self.site.events.get(page.name) if page.name else None
        if page.name and event is None:
            return None
        whose = self.whose(fact, page)
        kept = self._keeping(whose)
        if kept is Keeping.NOTHING:
            return None
        named = whose if whose and whose.is_proven and kept is Keeping.PERSON else None
        return {
            "at": fact.at,
            "fact_id": fact.id,
            "subscriber_id": named.subscriber_id if named else None,
            "anonymous_id": page.visitor[:64] if kept is Keeping.PERSON else "",
            "kind": "event" if event else "visited",
            "name": event.key if event else "",
            "path": clean(page.path),
            "message_id": named.mail.id if named and named.mail else None,
            "topic": self.site.topic_of(page.path),
            "network_hash": bytes.fromhex(page.network) or None if kept is Keeping.PERSON else None,
            "method": "get",
            "agent": clean(page.agent) if kept is Keeping.PERSON else "",
            "provider": provider(named.address.rpartition("@")[2])[:32] if named else "",
            "payload": json.dumps(_payload(event, page), ensure_ascii=False, sort_keys=True),
            **self._verdict(fact, page, named),
        }

    def whose(self, fact: Fact, page: PageFact) -> _Whose | None:
        """The person behind the token: a mail's reader, or who typed an address and has confirmed it since."""
        if not page.identity:
            return None
        ref = self.links.read_mail(page.identity)
        if ref is not None:
            mail = self.mails.get(ref.message)
            return _Whose(mail.subscriber_id, mail.address, mail) if mail and not mail.is_team else None
        given = self.links.read_identity(page.identity, fact.at)
        person = self.people.get(given.person) if isinstance(given, Pass) else None
        if person is None or not isinstance(given, Pass):
            return None
        browser = self.browsers.get(page.visitor)
        is_proven = browser is not None and browser.state == PROVEN and browser.subscriber_id == person[0]
        return _Whose(*person, is_proven=is_proven, said_at=given.until - TICKET_FOR - SECOND)  # tokens round up

    def claim(self, fact: Fact, page: PageFact) -> Linked | None:
        """A browser that agreed to be remembered says whose it is; only a later confirmation proves it."""
        whose = self.whose(fact, page)
        if whose is None or whose.mail is not None or whose.is_proven or not page.visitor:
            return None
        return Linked(page.visitor[:64], whose.subscriber_id, BY_BOX, CLAIMED, whose.said_at)

    def _keeping(self, whose: _Whose | None) -> Keeping:
        rules = self.site.tracking
        answer = self.answers.get(whose.subscriber_id, "") if whose else "given"
        return keeping(rules.clicks, rules.needs_consent, answer)

    def _verdict(self, fact: Fact, page: PageFact, named: _Whose | None) -> Row:
        """What a mail led to is judged with that mail; all else is plain from the agent and the network."""
        if named is not None and named.mail is not None:
            return {"verdict": "pending", "verdict_due_at": fact.at + self.grace}
        verdict, reason = judge_visit(classify_agent(page.agent, is_crawler), page.label, None)
        return {"verdict": verdict.value, "verdict_reason": reason.value, "verdict_rules": RULES}


def _known(world: World, session: Session, site: Site, pages: Sequence[tuple[Fact, PageFact]]) -> _Known:
    tokens = {page.identity for _, page in pages if page.identity}
    refs = [ref.message for ref in map(world.links.read_mail, tokens) if ref is not None]
    passes = [world.links.read_identity(token, 0) for token in tokens]
    mails = tracking.mailed(session, refs)
    people = tracking.people_by_public_id(session, [given.person for given in passes if isinstance(given, Pass)])
    whom = {mail.subscriber_id for mail in mails.values()} | {found[0] for found in people.values()}
    return _Known(
        site=site,
        links=world.links,
        mails=mails,
        people=people,
        browsers=visitors.find_visitors(session, (page.visitor for _, page in pages if page.visitor)),
        answers=tracking.tracking_answers(session, whom),
        grace=world.settings.grace,
    )


# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _payload(event: EventType | None, page: PageFact) -> dict[str, object]:
    plain: dict[str, object] = {} if event is None else {**declared(event, dict(page.fields))}
    if page.label:
        plain["label"] = page.label
    return plain


def declared(event: EventType, given: Mapping[str, object]) -> dict[str, Value]:
    """The fields an event declares, each in its type; what does not fit is left out, for nobody reads errors there."""
    kinds = kinds_of(event)
    typed = {key: typed_field(kinds[key], value) for key, value in given.items() if key in kinds}
    return {key: value for key, value in typed.items() if value is not None}
