"""One mail as its author wrote it: head, body and kind, read into a value or into problems.

Owns the shape of a source and of the set of sources with their layouts. It is handed texts: it must not touch the
disk, and what the template says is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.problem import Problem
from app.mail import front_matter
from app.mail.front_matter import FrontMatter, Located

RTL_LANGUAGES = frozenset({"fa", "ar", "he", "ur", "ps", "ckb", "dv", "yi", "sd", "ug"})


class Format(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"
    MJML = "mjml"


FORMATS: Final = {"md": Format.MARKDOWN, "html": Format.HTML, "mjml": Format.MJML}
"""The format by the ending of the file."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file as read from the disk. `key` is the mail ("ebook/deliver"), `file` the name shown in findings."""

    key: str
    locale: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class MailSource:
    """A mail whose head is understood; `body` is a template that begins on `body_line` of `file`."""

    key: str
    locale: str
    file: str
    front: FrontMatter
    format: Format
    body: str
    body_line: int

    @property
    def is_service(self) -> bool:
        return self.front.service

    @property
    def direction(self) -> str:
        return direction(self.locale)

    @property
    def subject_variants(self) -> tuple[str, ...]:
        """The names a step may give as `subject:`."""
        return tuple(name for name, _ in self.front.subjects)

    @property
    def subjects(self) -> tuple[Located | None, ...]:
        """Every subject line, the usual one first."""
        return (self.front.subject, *(text for _, text in self.front.subjects))


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts and included parts by the name a mail uses for them: "layouts/base.html"."""

    texts: Mapping[str, str]
    folder: str = "email_templates"

    def file(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True, slots=True)
class MailSources:
    """Every mail of a site by (key, locale), and what they stand on."""

    mails: Mapping[tuple[str, str], MailSource]
    layouts: Layouts
    problems: tuple[Problem, ...] = ()

    def twins(self, key: str) -> tuple[MailSource, ...]:
        """The same mail in every locale."""
        return tuple(mail for (name, _), mail in sorted(self.mails.items()) if name == key)


def direction(locale: str) -> str:
    """ "rtl" or "ltr" for a locale such as "fa" or "en-GB"."""
    return "rtl" if locale.partition("-")[0] in RTL_LANGUAGES else "ltr"


def read_mail(text: SourceText) -> tuple[MailSource, tuple[Problem, ...]]:
    """Read one file. The source is usable only when no problem is an error."""
    content = text.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head, body, line = front_matter.split(content)
    front, problems = front_matter.read(head, text.file)
    kind = FORMATS.get(text.file.rpartition(".")[2], Format.MARKDOWN)
    mail = MailSource(text.key, text.locale, text.file, front, kind, body, line)
    return mail, (*problems, *_missing(mail, bool(problems)))


def read_mails(texts: Iterable[SourceText], layouts: Layouts) -> MailSources:
    """Read every mail of a site; `problems` holds what is wrong with any of them."""
    mails: dict[tuple[str, str], MailSource] = {}
    problems: list[Problem] = []
    for text in texts:
        mail, found = read_mail(text)
        problems.extend(found)
        other = mails.setdefault((text.key, text.locale), mail)
        if other is not mail:
            message = f"{other.file.rpartition('/')[2]} is the same mail in the same language"
            problems.append(Problem("mail-in-two-formats", mail.file, 1, 1, message, "keep one of the two files"))
    return MailSources(mails, layouts, tuple(problems))


def _missing(mail: MailSource, is_faulty: bool) -> list[Problem]:
    if is_faulty or (mail.front.subject and mail.front.subject.text.strip()):
        return []
    fix = "begin the file with\n---\nsubject: …\n---"
    return [Problem("subject-missing", mail.file, 1, 1, "this mail has no subject", fix)]
