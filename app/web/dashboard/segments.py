"""Segments: a condition written, checked and counted while one writes, said in plain words, and ready to be kept.

Owns the page. The language is app.core.conditions; who meets a condition, app.store.segments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from flask import Blueprint, abort, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.actions import searching
from app.core.conditions import Condition, sentence
from app.core.problem import Problem
from app.store.reports import Listed
from app.web.dashboard import people
from app.web.dashboard.flow import labels, said
from app.web.dashboard.kept import Kept
from app.web.dashboard.shell import shelved
from app.web.dashboard.wording import tongue
from app.web.parts import Parts

SHOWN = 20
EXAMPLES = (
    "stage == 'prospect' and kind == 'ready'",
    "clicked(times=2, within='30d') and not bought()",
    "visited('/pricing*', within='7d')",
    "orders >= 1 and idle_for('60d')",
    "score >= 20 and stage == 'lead'",
)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a written condition gives: problems, or its sentence, number and first people."""

    problems: tuple[Problem, ...] = ()
    sentence: str = ""
    number: int | None = None
    people: tuple[Listed, ...] = ()
    refused: str = ""


def register(blueprint: Blueprint, parts: Parts) -> None:
    members: Kept[dict[str, int]] = Kept(lambda: searching.memberships(parts.world), {}, parts.world.monotonic)

    @blueprint.get("/segments")
    def segments() -> ResponseReturnValue:
        text = request.args.get("condition", "").strip()[:2_000]
        name = request.args.get("name", "").strip()[:64]
        held = shelved()
        kept = held.book.ladder.segments if held else {}
        sizes = members.get().value
        tried = _try(parts, text) if text else Tried()
        return render_template(
            "dashboard/segments.html",
            text=text,
            name=name,
            tried=tried,
            rows=[people.row_of(each) for each in tried.people],
            examples=EXAMPLES,
            kept=[(key, str(condition), said(condition), sizes.get(key, 0)) for key, condition in kept.items()],
            words=searching.vocabulary(held) if held else (),
            cap=searching.CAP,
        )

    @blueprint.get("/segments/file")
    def segment_file() -> ResponseReturnValue:
        """The condition as a piece of a file, refused while it has problems."""
        text, name = request.args.get("condition", "").strip()[:2_000], request.args.get("name", "").strip()[:64]
        held = shelved()
        if held is None or not isinstance(searching.read(held, text), Condition):
            abort(400)
        response = make_response(snippet(name, text))
        response.headers["Content-Type"] = "text/yaml; charset=utf-8"
        response.headers["Content-Disposition"] = 'attachment; filename="segment.yaml"'
        return response


def snippet(name: str, condition: str) -> str:
    """The lines to put below `segments:` in ladder.yaml; a double-quoted text of YAML is one of JSON."""
    key = name if _NAME.fullmatch(name) else "my_segment"
    return f"segments:\n  {key}: {json.dumps(' '.join(condition.split()), ensure_ascii=False)}\n"


_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def _try(parts: Parts, text: str) -> Tried:
    held = shelved()
    if held is None:
        return Tried()
    read = searching.read(held, text)
    if not isinstance(read, Condition):
        return Tried(problems=read)
    found = searching.find(parts.world, held, read, SHOWN)
    words = sentence(read, tongue(), labels())
    if isinstance(found, str):
        return Tried(sentence=words, refused=found)
    return Tried(sentence=words, number=found.number, people=found.people)
