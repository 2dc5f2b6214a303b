"""Touches: opens and clicks as rows, with the person, the mail, the link's name and its topic.

Owns what of a touch may be kept, by the site's mode and the person's own answer. Must not judge and must not write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.actions.track.rows import Row, Taken
from app.core.address import provider
from app.core.site import Site
from app.core.tracked import Keeping, keeping
from app.disk.spool import Fact, FactKind
from app.disk.touches import MailTouch, read_touch
from app.store import tracking
from app.store.base import clean
from app.store.tracking import LinkOfMail, Mailed
from app.world import World

LONGEST_PROVIDER = 32


def take(world: World, session: Session, shelved: Shelved, facts: Sequence[Fact], taken: Taken) -> None:
    """Add the rows of opens and clicks."""
    read = list(_read(facts, taken))
    if not read:
        return
    mails = tracking.mailed(session, (touch.message for _, touch in read))
    known = _Known(
        site=shelved.book.site,
        mails=mails,
        answers=tracking.tracking_answers(session, (mail.subscriber_id for mail in mails.values())),
        links=tracking.links_of_versions(session, (touch.version for _, touch in read)),
        grace=world.settings.grace,
    )
    for fact, touch in read:
        row = known.row(fact, touch)
        if row is None:
            taken.unkept += 1
        else:
            taken.rows.append(row)


def _read(facts: Iterable[Fact], taken: Taken) -> Iterable[tuple[Fact, MailTouch]]:
    for fact in facts:
        try:
            yield fact, read_touch(fact)
        except (ValueError, TypeError) as fault:
            taken.refuse(fact, str(fault))


@dataclass(frozen=True, slots=True)
class _Known:
    """All a batch of touches needs to know."""

    site: Site
    mails: Mapping[int, Mailed]
    answers: Mapping[int, str]
    links: Mapping[int, tuple[LinkOfMail, ...]]
    grace: int

    def row(self, fact: Fact, touch: MailTouch) -> Row | None:
        """The row of a touch; None when nothing of it may be kept, or the person is gone."""
        mail = self.mails.get(touch.message)
        if mail is None or mail.is_team:
            return None
        kept = self._keeping(fact, mail)
        if kept is Keeping.NOTHING:
            return None
        is_click = fact.kind == FactKind.CLICK
        link = self._link(touch) if is_click else None
        return {
            "at": fact.at,
            "fact_id": fact.id,
            "subscriber_id": mail.subscriber_id if kept is Keeping.PERSON else None,
            "kind": "clicked" if is_click else "opened",
            "name": mail.mail,
            "message_id": mail.id,
            "link": clean(link.name)[:200] if link else "",
            "link_number": touch.link if is_click else None,
            "topic": self._topic(link),
            "campaign": mail.campaign,
            "step": mail.step,
            "arm": mail.arm,
            "network_hash": bytes.fromhex(touch.network) or None,
            "method": touch.request.value,
            "agent": clean(touch.agent),
            "provider": provider(mail.address.rpartition("@")[2])[:LONGEST_PROVIDER],
            "verdict": "pending",
            "verdict_due_at": fact.at + self.grace,
            "payload": _payload(touch),
        }

    def _keeping(self, fact: Fact, mail: Mailed) -> Keeping:
        rules = self.site.tracking
        mode = rules.clicks if fact.kind == FactKind.CLICK else rules.opens
        return keeping(mode, rules.needs_consent, self.answers.get(mail.subscriber_id, ""))

    def _link(self, touch: MailTouch) -> LinkOfMail | None:
        return next((link for link in self.links.get(touch.version, ()) if link.number == touch.link), None)

    def _topic(self, link: LinkOfMail | None) -> str:
        """The link's own topic, else that of the page it leads to, when it leads to the site."""
        if link is None or link.topic:
            return link.topic if link else ""
        where = urlsplit(link.url or "")
        is_ours = same_site(where.hostname or "", urlsplit(self.site.url).hostname or "")
        return self.site.topic_of(where.path or "/") if link.url and is_ours else ""


def same_site(host: str, own: str) -> bool:
    """A host of the site: its own, with or without `www.`, or one below it."""
    bare = own.lower().removeprefix("www.")
    host = host.lower()
    return bool(bare) and (host == bare or host.endswith(f".{bare}"))


def _payload(touch: MailTouch) -> str:
    plain: dict[str, str | int] = {"version": touch.version}
    if touch.label:
        plain["label"] = touch.label
    return json.dumps(plain)
