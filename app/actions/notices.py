"""Notices: a word to our own people about something that needs one of them.

Owns which mail carries a notice and that each is written once. Must not notify subscribers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.instants import Instant
from app.core.person import MailClass
from app.store.letters import Letter
from app.store.messages import NewMessage, queue_by_cause

log = structlog.get_logger()

NOTICES: Mapping[str, tuple[str, ...]] = {
    "codes-low": ("pool", "offer", "free"),
    "codes-empty": ("pool", "offer", "free"),
    "sending-stopped": (
        "campaign",
        "title",
        "what",
        "number",
        "sent",
        "share",
        "most",
        "reply",
        "command",
        "url",
    ),
}
"""What is told, as the mail `system/<name>`, with the words it may use as `notice.…`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, once for its cause, to whom ("": the site's own address), about whose letter, in which words."""

    what: str
    cause: str
    to: str
    about: Letter
    words: Mapping[str, str] = field(default_factory=dict)


def tell_owner(session: Session, shelved: Shelved, notice: Notice, public_id: bytes, now: Instant) -> bool:
    """Queue the notice. A site without that mail is told by its log, the command line and the dashboard only."""
    mail = f"system/{notice.what}"
    if mail not in shelved.book.mails:
        log.warning("notice_without_mail", mail=mail)
        return False
    new = NewMessage(
        public_id=public_id,
        subscriber_id=notice.about.subscriber_id,
        cause_key=f"notice:{notice.what}:{notice.cause}",
        mail=mail,
        mail_class=MailClass.TEAM,
        at=now,
        recipient=notice.to or shelved.book.site.sender.address,
        data=json.dumps(dict(notice.words)),
    )
    return queue_by_cause(session, new) is not None
