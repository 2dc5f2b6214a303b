"""Naming: what mails and steps are called on pages: the subject a reader sees, and what a step does, never a bare key.

Owns one small cache of live subjects per process. Must not know pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import g

from app.core.campaign import ON_GOAL, Campaign, walk
from app.store import measures
from app.web.dashboard.flow import title_of
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import is_persian, say
from app.web.parts import Parts

_TEMPLATE = re.compile(r"{[{%#].*?[}%#]}", re.DOTALL)
LONGEST = 70


class Names:
    """Subjects of the live mails, read once for each release."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._release = 0
        self._subjects: Mapping[tuple[str, str], str] = {}

    def subject(self, mail: str) -> str:
        """The subject in the page's language, else in any; "" for a mail that is not live."""
        found = self._known()
        wanted = "fa" if is_persian() else "en"
        return found.get((mail, wanted)) or next((text for (key, _), text in found.items() if key == mail), "")

    def _known(self) -> Mapping[tuple[str, str], str]:
        held = shelved()
        release = held.release_id if held else 0
        if release != self._release:
            with self._parts.world.transaction("read") as session:
                subjects = measures.live_subjects(session)
            self._subjects = {place: cleaned(text) for place, text in subjects.items()}
            self._release = release
        return self._subjects


def cleaned(subject: str) -> str:
    """A subject as a name: what a template would fill in is a row of dots."""
    words = " ".join(_TEMPLATE.sub("…", subject).split()).strip(" …،,")
    return words if len(words) <= LONGEST else f"{words[:LONGEST].rstrip()}…"


def mail_title(mail: str) -> str:
    """A mail as people call it: its subject; its key when it is not live any more."""
    names: Names | None = g.get("names")
    return (names.subject(mail) if names else "") or mail


def quoted(mail: str) -> str:
    """A mail's name set apart from the sentence around it."""
    title = mail_title(mail)
    if title[:1] in "«“\"'":
        return title
    return f"«{title}»" if is_persian() else f"“{title}”"


def step_words(campaign: str, step: str) -> str:
    """Where somebody stands, in words: what the step does, and for a wait which mail it comes before."""
    held = shelved()
    found = _step(held.book.campaigns.get(campaign), step) if held else ""
    way, _, mail = step.partition(" ")
    if way in ("before", "after") and mail_title(mail) != mail:
        where = say("before the mail %(mail)s", mail=quoted(mail))
        return f"{found}{'؛' if is_persian() else ';'} {where}" if found else where
    if found:
        return found
    return quoted(step) if mail_title(step) != step else say("a step of an earlier version")


def _step(campaign: Campaign | None, wanted: str) -> str:
    if campaign is None:
        return ""
    for name in (*campaign.sequences, ON_GOAL):
        for step in walk(campaign.steps_of(name)):
            if step.id == wanted:
                return _said(step)
    articles = campaign.stream.articles.values() if campaign.stream else ()
    return next((quoted(each.mail) for every in articles for each in every if each.id == wanted), "")


def _said(step: object) -> str:
    mail = getattr(step, "mail", "")
    if mail:
        return say("the mail %(mail)s", mail=quoted(mail))
    return title_of(step)  # type: ignore[arg-type]
