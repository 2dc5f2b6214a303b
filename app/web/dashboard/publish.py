"""Publish: the folder on this server beside what is live: a plan in words, applying it, releases and going back.

Owns the pages. A plan and its application are errands; their guards are the command line's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.actions import errands
from app.actions.access import May
from app.actions.errands import Errand, Sort, State, Wish
from app.actions.folder import folder_of, unpublished
from app.store import editions, releases
from app.store.editions import Released
from app.web.dashboard.campaigns import difference
from app.web.dashboard.reasons import RESULTS
from app.web.dashboard.shell import back, need, notify
from app.web.dashboard.wording import say, tongue
from app.web.dashboard.work import begin
from app.web.parts import Parts

PAGE = 50
SORTS = {
    "mail": "mail",
    "box": "box",
    "offer": "offer",
    "survey": "survey",
    "stage": "stage",
    "kind": "kind",
    "segment": "segment",
    "scoring": "scoring",
    "site": "site",
    "fragment": "shared steps",
    "content": "content",
}
REFUSALS = {
    "lost": "People stand at a step that is gone.",
    "twice": "Somebody would get a mail a second time.",
}


def register(blueprint: Blueprint, parts: Parts) -> None:
    pages = _Pages(parts)
    blueprint.add_url_rule("/publish", "publish", pages.publish)
    blueprint.add_url_rule("/publish/plan", "ask_plan", pages.ask_plan, methods=["POST"])
    blueprint.add_url_rule("/publish/plans/<int:number>", "planned", pages.planned)
    blueprint.add_url_rule("/publish/plans/<int:number>", "apply_plan", pages.apply, methods=["POST"])
    blueprint.add_url_rule("/releases", "releases", pages.releases)
    blueprint.add_url_rule("/releases/<int:number>", "release", pages.release)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a release beside the release before: its sign and its lines."""

    path: str
    sign: str
    lines: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Pages:
    parts: Parts

    def publish(self) -> ResponseReturnValue:
        world = self.parts.world
        with world.transaction("read") as session:
            newest = editions.newest(session, None, 1)
        folder = folder_of(world.settings)
        last = errands.last_done(world, Sort.PLAN)
        return render_template(
            "dashboard/publish.html",
            live=newest[0] if newest else None,
            folder=folder,
            differing=unpublished(world),
            last=last if last and last.told.get("live") == (newest[0].id if newest else 0) else None,
        )

    def ask_plan(self) -> ResponseReturnValue:
        need(May.STEER)
        release = request.form.get("release", 0, type=int)
        number = begin(self.parts, Wish(Sort.PLAN, {"release": release} if release else {}))
        return redirect(url_for("dashboard.planned", number=number), 303)

    def planned(self, number: int) -> ResponseReturnValue:
        """A plan in words; while it is made, how far it is."""
        errand = self._plan(number)
        if errand.state is State.DONE:
            return render_template(
                "dashboard/plan.html",
                errand=errand,
                plan=errand.told,
                sorts=SORTS,
                refusals=REFUSALS,
                results=RESULTS,
                told=told,
            )
        return render_template("dashboard/errand.html", errand=errand)

    def apply(self, number: int) -> ResponseReturnValue:
        need(May.STEER)
        errand, form = self._plan(number), request.form
        message = form.get("message", "").strip()
        if errand.state is not State.DONE:
            abort(409)
        if not message:
            notify(say("Say in a sentence why; it is kept with the release."), "bad")
            return back(url_for("dashboard.planned", number=number))
        asked: dict[str, errands.Json] = {
            "digest": str(errand.told["digest"]),
            "message": message[:500],
            "confirmed": form.get("confirmed", "").strip(),
            "release": errand.asked.get("release"),
        }
        made = begin(self.parts, Wish(Sort.APPLY, asked, place=url_for("dashboard.publish")))
        return redirect(url_for("dashboard.errand", number=made), 303)

    def _plan(self, number: int) -> Errand:
        need(May.STEER)
        found = errands.find(self.parts.world, number)
        if found is None or found.sort is not Sort.PLAN:
            abort(404)
        return found

    # ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def releases(self) -> ResponseReturnValue:
        before = request.args.get("before", type=int)
        with self.parts.world.transaction("read") as session:
            found = editions.newest(session, before, PAGE + 1)
            live = releases.control(session).release_id
        more = found[PAGE - 1].id if len(found) > PAGE else None
        return render_template("dashboard/releases.html", releases=found[:PAGE], more=more, live=live)

    def release(self, number: int) -> ResponseReturnValue:
        """All files of a release that differ from the release before it."""
        with self.parts.world.transaction("read") as session:
            pair = editions.newest(session, number + 1, 2)
            if not pair or pair[0].id != number:
                abort(404)
            new = releases.sources_of(session, number)
            old = releases.sources_of(session, pair[1].id) if len(pair) > 1 else {}
            live = releases.control(session).release_id
        return render_template(
            "dashboard/release.html", release=pair[0], before=_before(pair), files=list(_files(old, new)), live=live
        )


def told(words: object, otherwise: str = "") -> str:
    """What an errand kept in both languages, in the page's; plans of an earlier program kept one."""
    if isinstance(words, dict):
        return str(words.get(tongue()) or words.get("en") or otherwise)
    return str(words or otherwise)


def _before(pair: list[Released]) -> Released | None:
    return pair[1] if len(pair) > 1 else None


MOST_FILES = 60


def _files(old: dict[str, str], new: dict[str, str]) -> Iterator[FileChange]:
    """The files that differ, with the lines around each change only; of a first release just their names."""
    differing = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    for path in differing[:MOST_FILES] if old else differing:
        before, after = old.get(path, ""), new.get(path, "")
        sign = "~" if before and after else "+" if after else "-"
        lines = list(difference(before, after)) if before and after else []
        yield FileChange(path, sign, _near(lines))


AROUND = 2


def _near(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The changed lines and two around each; what lies between is one line of dots."""
    changed = [index for index, (sign, _) in enumerate(lines) if sign]
    kept = {near for index in changed for near in range(index - AROUND, index + AROUND + 1)}
    found: list[tuple[str, str]] = []
    for index, line in enumerate(lines):
        if index in kept:
            found.append(line)
        elif not found or found[-1] != ("", "⋯"):
            found.append(("", "⋯"))
    return found
