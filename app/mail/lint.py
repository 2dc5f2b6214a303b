"""What would embarrass a mail in a real mailbox, found before it is published.

Owns the findings about one compiled mail, each with a stable code and a place. It must not change the mail; an author
silences a warning by `allow: [code]` in the mail's head.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from html import unescape

from app.core.check.codes import CODES
from app.core.problem import Problem
from app.mail.compiled import Attachment, CompiledMail
from app.mail.css import read_sheet
from app.mail.document import HOLE, Document, Node, Run, Tag
from app.mail.lint_access import access
from app.mail.source import MailSource

CLIPPED = 100_000  # Gmail cuts a mail at about 102 KB
STYLE_LIMIT = 16_000  # Gmail drops a longer style sheet
SUBJECT_LIMIT = 70
PREHEADER_LIMIT = 140
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0\s*(;|\Z)",
    re.IGNORECASE,
)
_TINY = re.compile(r"font-size\s*:\s*[01](px)?\s*(;|\Z)", re.IGNORECASE)
_FOREIGN = re.compile(r"\*\|\w+\|\*|%%\w+%%|\[\[\w+\]\]|\{\w+\}|%[A-Z][A-Z_]{3,}%|\bLorem ipsum\b", re.IGNORECASE)
_SPAM = re.compile(
    r"(?<!\w)(?:act now|100 ?% (?:free|satisfied)|click (?:here|below|now)|risk[- ]free|no obligation|double your|"
    r"earn (?:money|\$|extra cash|per week)|cash bonus|congratulations,? you|winner|you (?:have )?won|viagra|"
    r"once in a lifetime|free money|extra income|work from home|get rich|no strings attached|"
    r"guaranteed (?:income|results)|"
    r"lowest price|urgent response|limited time only|what are you waiting for|while (?:stocks|supplies) last|"
    r"this is not spam|dear friend|miracle|lose weight|no credit check|"
    r"کلیک کنید تا|برنده شدید|شما برنده|برندهٔ خوش‌شانس|کاملاً? رایگان|صد در صد (?:تضمینی|رایگان)|۱۰۰٪ (?:تضمینی|رایگان)|"
    r"پول‌?دار شوید|فرصت استثنایی|فرصت طلایی|همین حالا کلیک|همین الان کلیک|درآمد میلیونی|درآمد (?:دلاری|تضمینی)|"
    r"بدون هیچ زحمتی|معجزه|فقط امروز|ارزان‌ترین قیمت|از دست ندهید|شگفت‌انگیزترین|جایزهٔ? نقدی|لاغری|"
    r"تخفیف باورنکردنی|این پیام تبلیغاتی نیست)(?!\w)",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[!！].*[!！]|[$€£₿]{2,}|[!?؟]{2,}")
_FORBIDDEN = {
    "script": "script-in-mail",
    "form": "form-in-mail",
    "iframe": "frame-in-mail",
    "object": "frame-in-mail",
    "embed": "frame-in-mail",
    "video": "video-in-mail",
}


def lint(mail: MailSource, document: Document, compiled: CompiledMail) -> tuple[Problem, ...]:
    """Every finding about a mail that is otherwise sound."""
    look = _Look(mail, document, compiled)
    found = (*look.tags(), *look.law(), *look.lines(), *look.sizes(), *look.styles(), *look.words())
    return (*found, *access(mail, document, compiled))


def settled(mail: MailSource, found: Iterable[Problem]) -> Iterator[Problem]:
    """The findings the head of the mail does not allow, and what is wrong with its allowances."""
    allowed = {item.text for item in mail.front.allow}
    codes: set[str] = set()
    for problem in found:
        codes.add(problem.code)
        if problem.is_error or problem.code not in allowed:
            yield problem
    for item in mail.front.allow:
        where = (mail.file, item.line, item.column)
        if item.text not in CODES:
            near = get_close_matches(item.text, CODES, 1)
            fix = f"write {near[0]}" if near else "the codes stand in docs/reference/findings.md"
            yield Problem("allow-unknown", *where, f"there is no finding `{item.text}`", fix, "warning")
        elif item.text not in codes:
            yield Problem("allow-unused", *where, f"`{item.text}` is not found here any more", "remove it", "warning")


def attach(
    mail: MailSource, files: Callable[[str], bytes | None]
) -> tuple[tuple[Attachment, ...], tuple[Problem, ...]]:
    """The files named in the head of a mail."""
    attachments, problems = [], []
    for item in mail.front.attachments:
        data = files(item.text)
        if data is None:
            problems.append(
                Problem(
                    "attachment-missing",
                    mail.file,
                    item.line,
                    item.column,
                    f"there is no file `{item.text}`",
                    "put it beside the mails",
                )
            )
        else:
            attachments.append(as_attachment(item.text.rpartition("/")[2], data))
    return tuple(attachments), tuple(problems)


def as_attachment(name: str, data: bytes) -> Attachment:
    """A file as an attachment; a calendar file says what it asks for (RFC 6047 section 2.4)."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not name.lower().endswith(".ics"):
        return Attachment(name, media_type, data)
    method = re.search(rb"^METHOD:([A-Z]+)", data, re.MULTILINE)
    parameters = (("charset", "utf-8"), ("method", method[1].decode() if method else "PUBLISH"))
    return Attachment(name, "text/calendar", data, parameters=parameters)


class _Look:
    def __init__(self, mail: MailSource, document: Document, compiled: CompiledMail) -> None:
        self.mail = mail
        self.document = document
        self.compiled = compiled

    def _about(self, code: str, message: str, fix: str, *, is_error: bool = False) -> Problem:
        line = self.mail.front.subject.line if self.mail.front.subject else 1
        return Problem(code, self.mail.file, line, 1, message, fix, "error" if is_error else "warning")

    @staticmethod
    def _at(tag: Tag, code: str, message: str, fix: str, *, is_error: bool = False) -> Problem:
        return Problem(code, tag.file, tag.line, tag.column, message, fix, "error" if is_error else "warning")

    def tags(self) -> Iterator[Problem]:
        nodes = self.document.nodes
        for at, node in enumerate(nodes):
            if isinstance(node, Tag):
                yield from self._tag(node)
                yield from self._hidden(node, nodes[at + 1] if at + 1 < len(nodes) else None)

    def _hidden(self, tag: Tag, inner: Node | None) -> Iterator[Problem]:
        """Words nobody sees. Boxes of no size are fine as long as words inside have one."""
        style = tag.get("style") or ""
        is_tiny = (
            _TINY.search(style) and isinstance(inner, Run) and re.search(r"\w", re.sub(r"&#?\w+;", "", inner.text))
        )
        is_hidden = _HIDDEN.search(style) or is_tiny
        if is_hidden and "preheader" not in (tag.get("class") or "") and not tag.is_hidden:
            yield self._at(tag, "hidden-text", "hidden content looks like spam", "remove it")

    def _tag(self, tag: Tag) -> Iterator[Problem]:
        if tag.name in _FORBIDDEN:
            yield self._at(
                tag,
                _FORBIDDEN[tag.name],
                f"no mail program runs <{tag.name}>",
                "link to a page instead",
                is_error=tag.name == "script",
            )
        if tag.name == "img" and tag.get("alt") is None:
            yield self._at(
                tag, "alt-missing", "a picture without alternative text", 'add alt="…", or alt="" for an ornament'
            )
        if tag.name == "img" and tag.get("width") is None and not tag.is_hidden:
            yield self._at(tag, "image-width-missing", "a picture without width", 'add width="…" in pixels')
        if tag.name == "html":
            yield from self._language(tag)
        if tag.name == "link" and "stylesheet" in (tag.get("rel") or ""):
            yield self._at(tag, "css-import", "a linked style sheet is never loaded", "write the rules into <style>")
        if tag.name in ("a", "area"):
            yield from self._link(tag)

    def _language(self, tag: Tag) -> Iterator[Problem]:
        if not tag.get("lang"):
            yield self._at(
                tag, "lang-missing", "the document has no language", f'write <html lang="{self.mail.locale}">'
            )
        if tag.get("dir") != self.mail.direction:
            yield self._at(
                tag, "dir-missing", "the document has no direction", f'write <html dir="{self.mail.direction}">'
            )

    def _link(self, tag: Tag) -> Iterator[Problem]:
        href = tag.get("href")
        target = href if href is None or not self.document.holes_in(href) else self._static_target(href)
        if target is None:
            return
        if not target.strip():
            yield self._at(tag, "link-empty", "a link without a target", "write its address", is_error=True)
        elif target.lower().startswith("http://"):
            yield self._at(tag, "link-not-https", f"`{target[:60]}` is not https", "use the https address")
        elif not re.match(r"(https://|mailto:|tel:|sms:|#|cid:)", target, re.IGNORECASE):
            yield self._at(
                tag,
                "link-relative",
                f"`{target[:60]}` leads nowhere from a mailbox",
                "write the whole address, with https://",
                is_error=True,
            )

    def _static_target(self, href: str) -> str | None:
        """The target behind a link's number, or what was kept as written; None when it depends on the reader."""
        for piece in self.document.holes_in(href):
            number = re.match(r"_l\[(\d+)\]", piece.text)
            if number:
                return self.compiled.links[int(number[1])].url
            if piece.kind == "data":
                return unescape(piece.text)
        return None

    def law(self) -> Iterator[Problem]:
        """What a marketing mail must show (CAN-SPAM, CASL, the mailbox providers' rules)."""
        if self.compiled.is_service:
            return
        shown = self.compiled.text  # made of what a reader sees
        if "links.unsubscribe" not in shown:
            yield self._about(
                "unsubscribe-missing",
                "a marketing mail without a visible unsubscribe link",
                "add {{ links.unsubscribe }}, or use the base layout",
                is_error=True,
            )
        if "site.postal_address" not in shown:
            yield self._about(
                "address-missing",
                "a marketing mail without a postal address",
                "add {{ site.postal_address }}, or use the base layout",
                is_error=True,
            )

    def lines(self) -> Iterator[Problem]:
        front = self.mail.front
        for located in (front.subject, *(text for _, text in front.subjects)):
            text = located.text if located else ""
            if not text.strip():
                yield self._about("subject-missing", "an empty subject", "write one", is_error=True)
            bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text)
            if len(bare) > SUBJECT_LIMIT:
                yield self._about(
                    "subject-long",
                    f"a subject of {len(bare)} characters is cut on a phone",
                    f"stay under {SUBJECT_LIMIT}",
                )
            if _MARKS.search(bare):
                yield self._about("subject-marks", "a subject with several such marks looks like spam", "keep one")
            if len(bare) > 8 and bare.isupper() and bare.isascii():
                yield self._about("subject-shouting", "a subject in capitals", "use small letters")
        if front.preheader is None and not self.mail.is_service:
            yield self._about(
                "preheader-missing",
                "without a preheader the inbox shows the first words it finds",
                'add `preheader: "…"`',
            )
        elif front.preheader and len(front.preheader.text) > PREHEADER_LIMIT:
            yield self._about(
                "preheader-long", "no inbox shows so long a preheader", f"stay under {PREHEADER_LIMIT} characters"
            )

    def sizes(self) -> Iterator[Problem]:
        size = len(self.compiled.html.encode())
        if size > CLIPPED:
            yield self._about(
                "size-clipped", f"{size // 1000} KB of HTML: Gmail cuts at 102 KB", "make the mail shorter"
            )
        if not re.sub(r"\{[{%].*?[%}]\}|\W", "", self.compiled.text):
            yield self._about("text-empty", "the text part says nothing", "give the pictures alternative texts")

    def styles(self) -> Iterator[Problem]:
        css = "\n".join(node.text for node in self.document.nodes if isinstance(node, Run) and node.inside == "style")
        sheet = read_sheet(HOLE.sub("0", css))
        if sheet.imports:
            yield self._about(
                "css-import", f"`{sheet.imports[0][:60]}` is never loaded", "remove it; name the fonts people have"
            )
        if len(sheet.kept) > STYLE_LIMIT:
            yield self._about("style-long", "Gmail drops a style sheet over 16 KB", "remove rules")
        if self.mail.direction == "rtl" and re.search(r"letter-spacing\s*:\s*-?(0?\.\d*[1-9]|[1-9])", css):
            yield self._about(
                "letter-spacing", "letter-spacing tears joined letters apart", "remove it from a Persian mail"
            )

    def words(self) -> Iterator[Problem]:
        front = self.mail.front
        text = " ".join([self.compiled.text, front.subject.text if front.subject else ""]).lower()
        for word in dict.fromkeys(_SPAM.findall(text)):
            yield self._about("spam-words", f"spam filters know “{word}”", "say it in your own words")
        for node in self.document.nodes:
            if isinstance(node, Run) and not node.inside and (match := _FOREIGN.search(node.text)):
                yield self._about(
                    "unresolved-placeholder", f"`{match[0]}` would be sent as it stands", "write {{ … }} or remove it"
                )
