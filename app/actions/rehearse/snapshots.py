"""Snapshots: the mails of stories as texts that can be kept and compared, with nothing in them that changes by itself.

Owns what is left out (signed tokens) and how a difference is shown. Must not read or write files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff

from app.actions.rehearse import Rehearsal
from app.actions.rehearse.stage import BASE_URL

_TOKEN = re.compile(re.escape(BASE_URL) + r"(/[a-z]+)/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_MAILTO = re.compile(r"u\+[a-z2-7]{56}")


@dataclass(frozen=True, slots=True)
class Changed:
    """A snapshot that is not what the stories got: its name and the lines that differ. `is_new`: none was kept."""

    name: str
    lines: tuple[str, ...]
    is_new: bool = False


def snapshots(rehearsals: Iterable[Rehearsal]) -> dict[str, str]:
    """File name → what is kept. Of each mail and language the first one that came in any story."""
    found: dict[str, str] = {}
    for rehearsal in rehearsals:
        for shown in rehearsal.mails:
            name = f"{shown.mail}.{shown.locale}"
            found.setdefault(f"{name}.txt", _tidy(f"Subject: {shown.subject}\n\n{shown.text.rstrip()}\n"))
            found.setdefault(f"{name}.html", _tidy(shown.html.replace("><", ">\n<")).rstrip() + "\n")
    return found


def _tidy(text: str) -> str:
    return _MAILTO.sub("u+…", _TOKEN.sub(rf"{BASE_URL}\1/…", text.replace("\r\n", "\n")))


def compare(kept: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Changed]:
    """What differs, by name. What is kept and came in no story is left alone: a part of the stories may have run."""
    for name in sorted(now):
        before = kept.get(name)
        if before is None:
            yield Changed(name, (), is_new=True)
        elif before != now[name]:
            lines = unified_diff(before.splitlines(), now[name].splitlines(), "kept", "now", lineterm="", n=2)
            yield Changed(name, tuple(lines))
