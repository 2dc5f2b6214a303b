"""Mail keep: compiled mails by the digest of all that goes into them, so that nobody compiles the same mail twice.

Owns the key and the form a kept mail has on disk. Must not compile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.core.problem import Problem
from app.core.text import Place
from app.core.workspace import MailFacts
from app.disk.keep import Keep, cache_folder, key_of, stamp_of
from app.mail import mjml
from app.mail.compiled import VERSION, CompiledMail, from_plain
from app.mail.publish import PublishOptions
from app.mail.source import MailSource

_MAIL_ROOM = Path(__file__).parents[1] / "mail"


class MailKeep:
    """What was compiled before on this machine."""

    def __init__(self, sources: Mapping[str, str], folder: Path | None) -> None:
        self._keep = Keep(cache_folder() / "mails")
        self._sources = sources
        layouts = (text for path, text in sorted(sources.items()) if path.startswith("email_templates/layouts/"))
        pictures = stamp_of(folder / "email_templates", but=(".md", ".html", ".mjml")) if folder else ""
        self._shared = key_of((str(VERSION), _room(), pictures, *layouts))

    def key(self, mail: MailSource, options: PublishOptions) -> str:
        names = sorted(options.names.paths) if options.names else []
        return key_of((self._of(mail), repr(options.facts), repr(options.utm), *names))

    def _of(self, mail: MailSource) -> str:
        """Names a mail's text and the layouts it stands on."""
        return key_of((self._shared, mail.key, mail.locale, mail.file, self._sources.get(mail.file, "")))

    def facts(self, mail: MailSource, make: Callable[[], MailFacts]) -> MailFacts:
        """What campaigns know of a mail: as kept, or made now."""
        key = key_of(("facts", self._of(mail)))
        plain = _read(self._keep.get(key))
        if isinstance(plain, dict):
            return _facts(plain)
        made = make()
        self._keep.put(key, json.dumps(asdict(made), ensure_ascii=False, default=sorted))
        return made

    def twins(self, mails: Sequence[MailSource], make: Callable[[], Sequence[Problem]]) -> Sequence[Problem]:
        """In what the language twins of a mail differ: as kept, or found now."""
        key = key_of(("twins", *map(self._of, mails)))
        plain = _read(self._keep.get(key))
        if isinstance(plain, list):
            return [Problem(**problem) for problem in plain]
        made = make()
        self._keep.put(key, json.dumps([asdict(problem) for problem in made], ensure_ascii=False))
        return made

    def get(self, key: str) -> CompiledMail | None:
        """A mail compiled before, with what was found about it then."""
        text = self._keep.get(key)
        if text is None:
            return None
        try:
            plain = json.loads(text)
            findings = tuple(Problem(**problem) for problem in plain["findings"])
            return replace(from_plain(plain["mail"]), findings=findings)
        except (ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, mail: CompiledMail) -> None:
        plain = {"mail": mail.to_plain(), "findings": [asdict(finding) for finding in mail.findings]}
        self._keep.put(key, json.dumps(plain, ensure_ascii=False))


@lru_cache(maxsize=1)
def _room() -> str:
    """The code that compiles: another one makes other mails."""
    return f"{stamp_of(_MAIL_ROOM, '*.py')}\n{mjml.version()}"


def _read(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _facts(plain: dict[str, Any]) -> MailFacts:
    listed = {name: tuple(plain[name]) for name in ("links", "topics", "subjects")}
    variables, place = frozenset(plain["variables"]), Place(**plain["place"])
    return MailFacts(
        plain["key"], plain["locale"], **listed, is_service=plain["is_service"], variables=variables, place=place
    )
