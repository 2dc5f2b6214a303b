"""Mails: every live mail, as anybody would read it, and what its links are.

Owns the gallery and the preview; a preview is written by the same hand as a real mail, and goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions.access import May
from app.actions.compose import MailShelf
from app.actions.preview import Preview, Wish, previewed
from app.core.workspace import Workspace
from app.store import measures
from app.store.measures import LiveMail
from app.web.dashboard.person import letter_response
from app.web.dashboard.shell import shelved, visitor
from app.web.parts import Parts

GMAIL_CUTS_AT = 102 * 1024
"""Bytes of HTML after which one large provider cuts a mail off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mail with its locales and who sends it."""

    key: str
    locales: tuple[LiveMail, ...]
    is_service: bool
    campaigns: tuple[str, ...]


def register(blueprint: Blueprint, parts: Parts) -> None:
    shelf = MailShelf()

    def preview(key: str) -> Preview:
        person = request.args.get("as", "").strip() if _may_see() else ""
        found = previewed(parts.world, parts.shelf, shelf, Wish(key, request.args.get("locale", ""), person))
        if found is None:
            abort(404)
        return found

    @blueprint.get("/mails")
    def mails() -> ResponseReturnValue:
        with parts.world.transaction("read") as session:
            live = measures.live_mails(session)
        return render_template("dashboard/mails.html", groups=_groups(live))

    @blueprint.get("/mails/<path:key>/html")
    def mail_html(key: str) -> ResponseReturnValue:
        return letter_response(preview(key).html)

    @blueprint.get("/mails/<path:key>")
    def mail(key: str) -> ResponseReturnValue:
        found = preview(key)
        if not found.html and not found.error:
            abort(404)
        return render_template(
            "dashboard/mail.html",
            key=key,
            preview=found,
            person=request.args.get("as", ""),
            view=request.args.get("view", "desktop"),
            too_large=found.size > GMAIL_CUTS_AT,
            senders=_senders(key),
        )


def _may_see() -> bool:
    return visitor().may(May.SEE_ADDRESSES)


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
