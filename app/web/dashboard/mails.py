"""Mails: every mail, live or as it lies in the files, as anybody would read it anywhere, and test copies of it.

Owns the gallery, the preview and its choices; a preview is written by the same hand as a real mail, and goes nowhere.
Test copies are the errand's (app.actions.errands.proofs).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import errands
from app.actions.access import May
from app.actions.errands import Errand, Sort, Wish
from app.actions.errands.proofs import MOST, addresses_of
from app.actions.preview import Desk, Preview, has_draft, moment, previewed
from app.actions.preview import Wish as Look
from app.actions.proof import CLIPPED_AT
from app.core.instants import Instant
from app.core.workspace import Workspace
from app.mail.views import in_scheme, with_pictures, without_pictures
from app.store import measures
from app.store.measures import LiveMail
from app.web import guard
from app.web.dashboard.person import letter_response
from app.web.dashboard.shell import back, need, notify, shelved, visitor
from app.web.dashboard.wording import say
from app.web.parts import Parts

PARTS = ("html", "text", "source", "findings")
WIDTHS = ("desktop", "phone")
NO_PICTURES = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; font-src 'none'"
SAMPLES = {
    "offer": "the offer's deadline",
    "code": "the code (no code of the pool is taken)",
    "event": "what the person did before",
    "story": "what is told of the person",
    "survey": "the survey's links",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """How the mail is looked at, as the address of the page says."""

    who: str = ""
    locale: str = ""
    at: str = ""
    part: str = "html"
    width: str = "desktop"
    is_dark: bool = False
    has_pictures: bool = True
    is_draft: bool = False


def choice() -> Choice:
    """What the visitor chose; a person's address counts only for those who may see addresses."""
    given = request.args
    who = given.get("as", "").strip()
    return Choice(
        who=who if "@" not in who or visitor().may(May.SEE_ADDRESSES) else "",
        locale=given.get("locale", ""),
        at=given.get("at", "").strip(),
        part=given.get("part", "") if given.get("part") in PARTS else "html",
        width=given.get("width", "") if given.get("width") in WIDTHS else "desktop",
        is_dark=given.get("dark") == "1",
        has_pictures=given.get("pictures") != "0",
        is_draft=given.get("from") == "files",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One mail with its locales and who sends it."""

    key: str
    locales: tuple[LiveMail, ...]
    is_service: bool
    campaigns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pages:
    parts: Parts
    desk: Desk

    def gallery(self) -> ResponseReturnValue:
        with self.parts.world.transaction("read") as session:
            live = measures.live_mails(session)
        return render_template("dashboard/mails.html", groups=_groups(live))

    def mail(self, key: str) -> ResponseReturnValue:
        chosen = choice()
        at, is_date = _at(chosen.at)
        found = self._look(key, chosen, at)
        return render_template(
            "dashboard/mail.html",
            key=key,
            preview=found,
            choice=chosen,
            at=at,
            is_date=is_date,
            has_draft=has_draft(self.parts.world),
            source=found.data.decode("utf-8", "replace") if chosen.part == "source" else "",
            most=CLIPPED_AT,
            senders=_senders(key),
            samples=SAMPLES,
            seeds=self._seeds(),
            tests=self._tests(),
        )

    def html(self, key: str) -> Response:
        """The mail for the frame of its page: as it is sent, in the dress that was chosen."""
        chosen = choice()
        found = self._look(key, chosen, _at(chosen.at)[0])
        html = in_scheme(found.html, is_dark=chosen.is_dark)
        if chosen.has_pictures:
            return letter_response(with_pictures(html, found.pictures))
        response = letter_response(without_pictures(html))
        guard.allow(NO_PICTURES, frames=("'self'",))
        return response

    def test(self, key: str) -> ResponseReturnValue:
        """Ask for test copies of the mail, as it is looked at."""
        need(May.STEER)
        chosen = choice()
        page = url_for("dashboard.mail", key=key)
        listed = addresses_of(request.form.get("addresses", ""))
        self._look(key, chosen, None)
        if not 0 < len(listed) <= MOST:
            notify(say("Write between one and %(n)s addresses.", n=MOST), "bad")
            return back(page)
        asked: dict[str, errands.Json] = {
            "mail": key,
            "locale": chosen.locale,
            "who": chosen.who,
            "at": _at(chosen.at)[0],
            "is_draft": chosen.is_draft,
            "addresses": " ".join(listed),
        }
        errands.ask(self.parts.world, visitor(), Wish(Sort.PROOF, asked, page))
        return back(page)

    def _look(self, key: str, chosen: Choice, at: Instant | None) -> Preview:
        found = previewed(self.desk, Look(key, chosen.locale, chosen.who, at, chosen.is_draft))
        if found is None:
            abort(404)
        return found

    def _seeds(self) -> str:
        """The addresses of the last test, a line each."""
        last = errands.last_done(self.parts.world, Sort.PROOF) if visitor().may(May.STEER) else None
        return "\n".join(str(last.asked.get("addresses", "")).split()) if last else ""

    def _tests(self) -> Sequence[Errand]:
        """The test copies asked for on this page in the last minutes."""
        if not visitor().may(May.STEER):
            return ()
        return [each for each in errands.at_place(self.parts.world, request.path) if each.sort is Sort.PROOF]


def register(blueprint: Blueprint, parts: Parts) -> None:
    pages = _Pages(parts, Desk(parts.world, parts.shelf))
    blueprint.add_url_rule("/mails", "mails", pages.gallery)
    blueprint.add_url_rule("/mails/<path:key>/html", "mail_html", pages.html)
    blueprint.add_url_rule("/mails/<path:key>/test", "test_mail", pages.test, methods=["POST"])
    blueprint.add_url_rule("/mails/<path:key>", "mail", pages.mail)


def _at(text: str) -> tuple[Instant | None, bool]:
    """The chosen time on the site's clock, and whether it could be read."""
    held = shelved()
    if not text:
        return None, True
    try:
        return moment(text, "", held.book.site.timezone if held else "UTC"), True
    except (ValueError, OverflowError):
        return None, False


def _senders(mail: str) -> tuple[str, ...]:
    held = shelved()
    return tuple(_campaigns_of(held.workspace, mail)) if held else ()


def _campaigns_of(workspace: Workspace, mail: str) -> Iterable[str]:
    for key, campaign in workspace.campaigns.items():
        if mail in campaign.own_mails or any(getattr(step, "mail", "") == mail for step in campaign.steps()):
            yield key


def _groups(live: list[LiveMail]) -> list[tuple[str, list[Entry]]]:
    """Mails by their folder, as the files lie."""
    by_key: dict[str, list[LiveMail]] = {}
    for each in live:
        by_key.setdefault(each.mail, []).append(each)
    groups: dict[str, list[Entry]] = {}
    for key, found in by_key.items():
        entry = Entry(key, tuple(found), any(each.is_service for each in found), _senders(key))
        groups.setdefault(key.partition("/")[0], []).append(entry)
    return sorted(groups.items())
