"""The reference pages, written from the definitions that read the files, so that neither can drift from the other.

Owns the pages' layout. Must not say anything about a key that its definition does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from app.core.check import CODES
from app.files.forms import ByKey, Form
from app.files.reader import FORMS
from app.files.scalars import CLOCK, DATE, DURATION, KEY, LIMIT, MAIL, MOMENT, SHARE, TEXT, URL
from app.files.shapes import Shape
from app.files.sources import FOLDERS, FileKind

_VALUES: Final[tuple[Shape[object], ...]] = (KEY, MAIL, TEXT, DURATION, SHARE, LIMIT, CLOCK, DATE, MOMENT, URL)
_WHERE: Final = {
    FileKind.SITE: "campaigns/site.yaml",
    FileKind.LADDER: "campaigns/ladder.yaml",
    FileKind.CAMPAIGN: "campaigns/**/<key>.yaml",
    FileKind.SCENARIO: "campaigns/**/<key>.test.yaml",
    **{kind: f"campaigns/{folder}/<key>.yaml" for folder, kind in FOLDERS.items()},
}


def reference() -> str:
    """The page of the language, as Markdown: every file, every form in it, every key."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# The campaign language: reference"
    yield ""
    yield "Written from the definitions that read the files. Do not edit it by hand."
    yield ""
    yield from _values()
    seen: set[str] = set()
    for kind, form in FORMS.items():
        yield f"## {form.name.capitalize()}"
        yield ""
        yield f"`{_WHERE[kind]}`. {form.about}"
        yield ""
        yield from _table(form)
        for inner in _parts_inside(form):
            if isinstance(inner, ByKey):
                yield from _choice(inner, seen)
            elif inner.slug not in seen and inner not in FORMS.values():
                seen.add(inner.slug)
                yield f"### {inner.name.capitalize()}"
                yield ""
                if inner.about:
                    yield inner.about
                    yield ""
                yield from _table(inner)


def _values() -> Iterator[str]:
    yield "## Values"
    yield ""
    yield "| value | written like |"
    yield "|---|---|"
    for shape in _VALUES:
        yield f"| {_cell(shape.label)} | `{_cell(shape.example)}` |"
    yield ""


def _table(form: Form[object]) -> Iterator[str]:
    yield "| key | value | without it | meaning |"
    yield "|---|---|---|---|"
    for field in form.fields:
        default = "must be there" if field.is_needed else f"`{field.shown_default}`" if field.shown_default else "–"
        yield f"| `{field.key}` | {_cell(field.shape.label)} | {_cell(default)} | {_cell(field.help)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _choice(choice: ByKey[object], seen: set[str]) -> Iterator[str]:
    """What a step, a wait or a line of a story may be."""
    if choice.label in seen:
        return
    seen.add(choice.label)
    yield f"### {choice.label.removeprefix('a ').removeprefix('an ').capitalize()}: the choices"
    yield ""
    for name, form in choice.forms.items():
        yield f"- `{name}:` {form.about or form.fields[0].help}"
    for word in choice.words:
        yield f"- `{word}`, the word alone."
    yield ""


def _parts_inside(shape: Shape[object], seen: set[int] | None = None) -> Iterator[Form[object] | ByKey[object]]:
    """Every form and choice of forms below a shape, in the order of the file, each once."""
    known = set() if seen is None else seen
    for part in shape.parts():
        if id(part) in known:
            continue
        known.add(id(part))
        if isinstance(part, Form | ByKey):
            yield part
        yield from _parts_inside(part, known)


def findings() -> str:
    """The page of findings, as Markdown: every code with its meaning and its remedy."""
    return "\n".join(_findings()) + "\n"


def _findings() -> Iterator[str]:
    yield "# Findings of `parvar check`"
    yield ""
    yield "An error stops publishing. A warning can be accepted in the file, for a while or for good:"
    yield '`allow: [{finding: else-unknown, because: "who told us nothing gets the plain one"}]`, on a step or file.'
    yield "A mail allows its own in its head, without a reason: `allow: [subject-long]`."
    yield "Errors in conditions begin with `condition-` and stand in the page about conditions."
    yield ""
    for group, abouts in groupby(CODES.values(), key=lambda about: about.group):
        yield f"## {group}"
        yield ""
        for about in abouts:
            yield f"### `{about.code}`"
            yield ""
            yield f"{about.level.capitalize()}. {about.meaning} {about.remedy}"
            yield ""
