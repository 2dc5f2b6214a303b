"""Link map: the clicks of one step of a campaign, over the picture of its mail, and as a list.

Owns the page and drawing the counts beside the links. The mail is written as for a reader nobody is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import measure
from app.actions.preview import Desk, LinkShown, Preview, Wish, previewed
from app.core.instants import DAY
from app.store import stepwise
from app.store.stepwise import Clicks
from app.web.dashboard.kept import Kept
from app.web.dashboard.ladder import STRETCHES, stretch
from app.web.dashboard.person import letter_response
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import is_persian, number, percent, tongue
from app.web.parts import Parts

_ANCHOR = re.compile(r"<a\b[^>]*\bhref=[\"'][^\"']*/c/[^\"'/]+/(\d+)[^\"']*[\"'][^>]*>", re.IGNORECASE)
BADGE = (
    '<span style="display:inline-block;margin:0 4px;padding:1px 8px;border-radius:9px;background:%s;color:#ffffff;'
    'font:600 12px/18px sans-serif;text-decoration:none;white-space:nowrap">%s</span>'
)
NONE = Clicks(0, 0)
MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One link with its clicks; `share` of those the mail was sent to."""

    link: LinkShown
    clicks: Clicks
    share: float | None


class _Counts:
    """Clicks by link, kept for the steps looked at last."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: OrderedDict[tuple[str, str, int], Kept[dict[int, Clicks]]] = OrderedDict()

    def get(self, campaign: str, step: str, days: int) -> Mapping[int, Clicks]:
        key = (campaign, step, days)
        if key not in self._kept:
            self._kept[key] = Kept(lambda: self._count(*key), {}, self._parts.world.monotonic)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return self._kept[key].get().value

    def _count(self, campaign: str, step: str, days: int) -> dict[int, Clicks]:
        world = self._parts.world
        with world.transaction("read") as session:
            return stepwise.clicks_by_link(session, (campaign, step), world.now() - days * DAY)


def register(blueprint: Blueprint, parts: Parts) -> None:
    counts, desk = _Counts(parts), Desk(parts.world, parts.shelf)

    @blueprint.get("/campaigns/<key>/clicks")
    def step_mail(key: str) -> ResponseReturnValue:
        step = request.args.get("step", "")
        shown = _shown(desk, key, step)
        found = counts.get(key, step, stretch())
        sent = measure.step_figures(parts.world, key, stretch())[0].get(step, measure.StepFigures()).sent
        return render_template(
            "dashboard/clicks.html",
            key=key,
            step=step,
            preview=shown,
            lines=_lines(shown, found, sent),
            sent=sent,
            days=stretch(),
            stretches=STRETCHES,
        )

    @blueprint.get("/campaigns/<key>/clicks/html")
    def step_mail_html(key: str) -> ResponseReturnValue:
        step = request.args.get("step", "")
        shown = _shown(desk, key, step)
        return letter_response(drawn(shown.html, counts.get(key, step, stretch())))


def _shown(desk: Desk, key: str, step: str) -> Preview:
    """The mail of a step, as somebody made up would read it."""
    mail = mail_of(key, step)
    found = previewed(desk, Wish(mail, _locale())) if mail else None
    if found is None:
        abort(404)
    return found


def _locale() -> str:
    """The page's language where the site speaks it; "" for the site's first."""
    held = shelved()
    wanted = request.args.get("locale") or tongue()
    return wanted if held and wanted in held.book.site.locales else ""


def mail_of(campaign: str, step: str) -> str:
    """The mail a step sends; "" where it sends none."""
    held = shelved()
    found = held.book.campaigns.get(campaign) if held else None
    if found is None:
        return ""
    articles = [each for every in found.stream.articles.values() for each in every] if found.stream else []
    return next((getattr(each, "mail", "") for each in (*found.steps(), *articles) if each.id == step), "")


def _lines(shown: Preview, found: Mapping[int, Clicks], sent: int) -> list[Line]:
    lines = [(link, found.get(link.number, NONE)) for link in shown.links]
    made = [Line(link, clicks, min(1.0, clicks.people / sent) if sent else None) for link, clicks in lines]
    return sorted(made, key=lambda line: (-line.clicks.people, line.link.number))


def drawn(html: str, found: Mapping[int, Clicks]) -> str:
    """The mail with a count before each of its links, stronger where more people went."""
    total = sum(each.people for each in found.values()) or 1

    def beside(match: re.Match[str]) -> str:
        clicks = found.get(int(match[1]), NONE)
        share = clicks.people / total
        words = f"{number(clicks.people)}{'،' if is_persian() else ','} {percent(share, 0)}"
        return BADGE % ("#0b6b4e" if share >= 0.2 else "#7d4f00" if clicks.people else "#56645c", words) + match[0]

    return _ANCHOR.sub(beside, html)
