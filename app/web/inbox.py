"""The inbox for development: every mail that was written into the data folder, to be read, clicked and inspected.

Owns reading `.eml` files and their pages. Exists in a demo and wherever no relay is set. Must not send or change mails.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.actions.access import May
from app.core.instants import Instant, from_datetime
from app.store import reports
from app.web.dashboard.person import letter_response
from app.web.dashboard.shell import dress, need
from app.web.parts import Parts

PAGE = 60
_NAME = re.compile(r"[0-9]{1,18}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the list."""

    name: str
    message: int
    subject: str
    to: str
    sender: str
    at: Instant
    mail: str = ""
    person: str = ""


def blueprint(parts: Parts) -> Blueprint:
    """The inbox; without any page where mails leave by a relay."""
    made = Blueprint("inbox", __name__, url_prefix="/inbox")
    settings = parts.world.settings
    dress(made, parts)
    if settings.demo or not settings.smtp_url:
        _Inbox(parts, settings.data / "inbox").register(made)
    return made


@dataclass(frozen=True, slots=True)
class _Inbox:
    parts: Parts
    folder: Path

    def register(self, made: Blueprint) -> None:
        made.before_request(lambda: need(May.SEE_ADDRESSES))
        made.add_url_rule("/", "listed", self.listed)
        made.add_url_rule("/<name>", "opened", self.opened)
        made.add_url_rule("/<name>/html", "html", self.html)
        made.add_url_rule("/<name>/source", "source", self.source)

    def listed(self) -> ResponseReturnValue:
        wanted = request.args.get("to", "").strip().casefold()
        mails, is_more = self._mails(wanted)
        return render_template("inbox/list.html", mails=mails, is_more=is_more, to=wanted, opened=None)

    def opened(self, name: str) -> ResponseReturnValue:
        path = self._path(name)
        letter = _read(path)
        view = request.args.get("view", "html")
        listed = self._told([_headed(str(path), path.stat().st_mtime_ns)])[0]
        return render_template(
            "inbox/mail.html",
            mail=listed,
            view=view if view in ("html", "text", "source") else "html",
            text=_text(letter),
            source=path.read_bytes().decode("utf-8", "replace") if view == "source" else "",
            headers=[(key, value) for key, value in letter.items() if key.casefold() in _SHOWN],
            size=path.stat().st_size,
        )

    def html(self, name: str) -> Response:
        return letter_response(self._at_shop(_html(_read(self._path(name)))), is_live=True)

    def _at_shop(self, html: str) -> str:
        """In the demo a plain link to the example site leads to the shop that stands for it."""
        shop, held = self.parts.world.settings.shop_url, self.parts.shelved()
        return html.replace(f'href="{held.book.site.url}', f'href="{shop}') if shop and held else html

    def source(self, name: str) -> Response:
        response = make_response(self._path(name).read_bytes())
        response.headers["Content-Type"] = "text/plain; charset=utf-8"
        return response

    # ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _path(self, name: str) -> Path:
        path = self.folder / f"{name}.eml"
        if not _NAME.fullmatch(name) or not path.is_file():
            abort(404)
        return path

    def _mails(self, to: str) -> tuple[list[Mail], bool]:
        """The newest mails, at most a page of them."""
        files = sorted(self.folder.glob("*.eml"), key=_age, reverse=True) if self.folder.is_dir() else []
        headed = (_headed(str(path), path.stat().st_mtime_ns) for path in files if _NAME.fullmatch(path.stem))
        found: list[Mail] = []
        for mail in headed:
            if to in mail.to.casefold():
                found.append(mail)
            if len(found) > PAGE:
                break
        return self._told(found[:PAGE]), len(found) > PAGE

    def _told(self, mails: list[Mail]) -> list[Mail]:
        """The mails with what the store knows of them: the mail's key and whose page to go to."""
        with self.parts.world.transaction("read") as session:
            known = reports.whose(session, [mail.message for mail in mails])
        return [_with(mail, *known.get(mail.message, ("", ""))) for mail in mails]


def _with(mail: Mail, key: str, person: str) -> Mail:
    return Mail(mail.name, mail.message, mail.subject, mail.to, mail.sender, mail.at, key, person)


def _age(path: Path) -> tuple[int, int]:
    return path.stat().st_mtime_ns, int(path.stem.partition(".")[0]) if _NAME.fullmatch(path.stem) else 0


_SHOWN = frozenset({"from", "to", "reply-to", "date", "subject", "message-id", "list-unsubscribe"})


@lru_cache(maxsize=2_000)
def _headed(path: str, _changed_at: int) -> Mail:
    """What the list shows; a file never changes, but a fresh demo may use its name again."""
    file = Path(path)
    with file.open("rb") as source:
        head = BytesHeaderParser(policy=policy.default).parse(source)
    return Mail(
        name=file.stem,
        message=int(file.stem.partition(".")[0]),
        subject=_clean(str(head["subject"] or "")),
        to=_clean(str(head["to"] or "")),
        sender=_clean(str(head["from"] or "")),
        at=_date(str(head["date"] or "")),
    )


def _date(text: str) -> Instant:
    try:
        return from_datetime(parsedate_to_datetime(text))
    except ValueError:
        return 0


def _clean(text: str) -> str:
    return " ".join(text.split())


def _read(path: Path) -> EmailMessage:
    letter = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    assert isinstance(letter, EmailMessage)
    return letter


def _text(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


def _html(letter: EmailMessage) -> str:
    """The HTML part, pictures that travel with the mail put in."""
    part = letter.get_body(("html",))
    if part is None:
        abort(404)
    html = str(part.get_content())
    for inner in letter.walk():
        content_id = str(inner["content-id"] or "").strip("<> ")
        if content_id and f"cid:{content_id}" in html:
            data = base64.b64encode(bytes(inner.get_payload(decode=True) or b"")).decode()
            html = html.replace(f"cid:{content_id}", f"data:{inner.get_content_type()};base64,{data}")
    return html
