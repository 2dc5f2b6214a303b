"""The small site that the tests of this room break: a shop with two campaigns, one box, one offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TODAY = date(2026, 11, 22)
MAILS = [
    "system/confirm",
    "book/deliver",
    "book/chapter",
    "book/story",
    "book/second-look",
    "book/objection",
    "team/hot",
    "offer/compare",
    "after/thanks",
    "after/question",
    "after/review",
    "ready/questions",
    "ready/push",
    "ready/last-day",
]


def base_site() -> dict[str, str]:
    """Every file of the small site, by path; its mails are empty, only their names count here."""
    folder = HERE / "base"
    files = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.yaml"))}
    return files | {f"email_templates/{mail}.{locale}.md": "" for mail in MAILS for locale in ("en", "fa")}


def changed(path: str, old: str, new: str) -> dict[str, str]:
    """The small site with one piece of one file replaced."""
    site = base_site()
    full = f"campaigns/{path}"
    assert site[full].count(old) == 1, (path, old)
    return site | {full: site[full].replace(old, new)}


def with_file(path: str, text: str) -> dict[str, str]:
    return base_site() | {f"campaigns/{path}": text}


def examples() -> Mapping[str, str]:
    """The texts of the site that ships with the product."""
    folder = ROOT / "campaigns"
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.yaml"))}


@dataclass(frozen=True)
class Case:
    """One broken file: what kind of fault it has, where it stands, its text, and every line `check` prints."""

    name: str
    kind: str
    path: str
    text: str
    expected: tuple[str, ...]


def cases() -> list[Case]:
    """Every `broken/*.case`: a line `kind path`, the file between `<<<` and `>>>`, then the expected lines."""
    return [_case(path) for path in sorted((HERE / "broken").glob("*.case"))]


def _case(path: Path) -> Case:
    content = path.read_bytes().decode("utf-8", "surrogateescape")
    head, _, rest = content.partition("\n<<<\n")
    text, _, expected = rest.rpartition("\n>>>\n") if not rest.startswith(">>>\n") else ("", "", rest[4:])
    kind, _, file = head.partition(" ")
    return Case(path.stem, kind, file, text + "\n" if text else "", tuple(expected.split("\n")[:-1]))
