"""One message for one person: the seam between a compiled mail and the wire.

Owns the rendering of a compiled mail and the MIME around it. Every address, link and value is handed in; it must not
sign, look up, remember a reader, or read a clock.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from threading import Lock
from types import SimpleNamespace
from typing import NamedTuple

from jinja2 import TemplateError
from markupsafe import Markup, escape

from app.core.replacing import replace, swift
from app.mail import headers
from app.mail.bidi import led
from app.mail.compiled import Attachment, CompiledMail
from app.mail.context import MailContext, Recipient, Sender, Tracking
from app.mail.encode import base64_lines, prefers_base64, quoted_piece
from app.mail.forms import Form, Needs, Question, Reals, Stencil, ask, needs_of, stand_ins
from app.mail.inline import inline
from app.mail.part import NOTHING_STATIC, Filled, Part
from app.mail.source import direction
from app.mail.values import named

_COUNTED = re.compile(r"\{\{ _l\[(\d+)\] \}\}")
_KEPT = 256


@swift
@dataclass(frozen=True, slots=True)
class Message:
    """A finished message. `data` is what stands between DATA and the final dot, without dot-stuffing.

    `envelope_to` is ASCII; `message_id` is with its angle brackets.
    """

    data: bytes
    subject: str
    message_id: str
    envelope_to: str
    told: Filled = field(repr=False)
    filled: Filled = field(repr=False)

    @property
    def text(self) -> str:
        """The text part as the reader gets it."""
        return str(self.told)

    @property
    def html(self) -> str:
        """The HTML part as the reader gets it."""
        return str(self.filled)


class _Written(NamedTuple):
    """What a mail says to one reader, and the same for the wire."""

    subject: str
    text: Filled
    html: Filled
    text_wire: list[bytes]
    html_wire: list[bytes]


class RenderFault(Exception):
    """A compiled mail that cannot be rendered for this person: a value is missing or has the wrong shape."""


def render(compiled: CompiledMail, person: Recipient, context: MailContext) -> Message:
    """Make the message. Raises RenderFault, and UnsendableAddress for an address that cannot be written in ASCII."""
    ready = _ready(compiled, is_counted=context.tracking is not None)
    try:
        return ready.message(person, context)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as fault:
        if isinstance(fault, headers.UnsendableAddress):
            raise
        raise RenderFault(f"{compiled.key} ({compiled.locale}): {fault}") from fault


_cache: OrderedDict[tuple[str, bool], _Ready] = OrderedDict()
_lock = Lock()


def _ready(compiled: CompiledMail, *, is_counted: bool) -> _Ready:
    """The mail's templates compiled and its static parts encoded, kept for the mails in use."""
    key = (compiled.digest, is_counted)
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
            return found
    made = _Ready(compiled, is_counted=is_counted)
    if compiled.digest:
        with _lock:
            _cache[key] = made
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return made


_forms: dict[Question, Form[Filled]] = {}
_MOST_FORMS = 512
_PRICE = 8
"""What drawing up a form costs, in letters."""
_CREDIT = 512 * _PRICE
"""For the forms of one mail; each letter filled in gives one back. A mail that runs out says something else to
everybody."""


class _Ready:
    """A compiled mail unpacked for use, with links counted or not. Shared by threads: only forms come and go."""

    def __init__(self, compiled: CompiledMail, *, is_counted: bool) -> None:
        self.compiled = compiled
        self.direction = direction(compiled.locale)
        html, text = (
            _COUNTED.sub(r"{{ _b }}/\1", source) if is_counted else source for source in (compiled.html, compiled.text)
        )
        self.html = Part(html, compiled.locale, compiled.is_base64)
        self.text = Part(text, compiled.locale, prefers_base64(compiled.text))
        self.range = self.html.sandbox.globals["range"]
        self.uses_personal = "_person(" in compiled.html
        self.uses_survey = "survey" in compiled.names
        subjects = {"": compiled.subject, **dict(compiled.subjects)}
        self.subjects = {name: Part(source, compiled.locale, is_base64=True) for name, source in subjects.items()}
        self.open_links = [escape(link.url or "") for link in compiled.links]
        self.text_links = [Markup(link.url or "") for link in compiled.links]  # noqa: S704 - the text part has no markup
        self.kind = _kind_fields(compiled.is_service)
        self.needs = self._needs()
        self._credit = _CREDIT

    def _needs(self) -> Needs | None:
        """What a form has to answer for; None for a mail that is rendered for each reader."""
        if not self.compiled.is_inlined or not self.compiled.digest:
            return None
        parts = (self.html, self.text, *self.subjects.values())
        return needs_of([part.sandbox.parse(part.source) for part in parts])

    def message(self, person: Recipient, context: MailContext) -> Message:
        subject, text, html, text_bytes, html_bytes = self._filled_in(person, context) or self._written(person, context)
        message_id = f"<{context.public_id}@{headers.ascii_address(context.sender.address).rpartition('@')[2]}>"
        head = self._head(person, context, subject, message_id)
        files = (*self.compiled.attachments, *context.attachments)
        make = self._mixed if files else self._alternative
        data = b"".join([head, *make(text_bytes, html_bytes, files)])
        to = headers.ascii_address(person.address)
        return Message(data, subject, message_id, to, text, html)

    def _written(self, person: Recipient, context: MailContext) -> _Written:
        """Rendered for this reader."""
        variables = self._variables(person, context)
        often = _often(str(variables["_b"]), str(variables["_pixel"]), context.tracking)
        html, html_wire = self._html(variables, often)
        text, text_wire = self._text(variables, context, often)
        subject = _on_one_line(self._subject(variables, context), self.direction)
        return _Written(subject, Filled(NOTHING_STATIC, [text]), html, text_wire, html_wire)

    # ── Form letters ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _filled_in(self, person: Recipient, context: MailContext) -> _Written | None:
        """From a form drawn up for readers like her; None when this mail is not made for forms."""
        if self.needs is None:
            return None
        tracking = context.tracking
        addresses = [getattr(context.links, name) for name in self.needs.links]
        if tracking is not None:
            addresses += (tracking.prefix, tracking.pixel)
        asked = ask(self.needs, person.attributes, addresses)
        if asked is None:
            return None
        question, reals = asked
        of_site = (self.compiled.digest, id(context.site), context.image_url, context.subject_variant, person.timezone)
        form = _forms.get((of_site, question))
        if form is None:
            return self._drawn_up((of_site, question), reals, person, context)
        self._credit += 1
        return self._fill(form, reals)

    def _fill(self, form: Form[Filled], reals: Reals) -> _Written:
        swaps = form.swaps(reals)
        text, html = [Filled(static, fills, swaps) for static, fills, _ in form.texts]
        return _Written(_on_one_line(form.subject.filled(reals), self.direction), text, html, *form.bodies(reals))

    def _drawn_up(self, key: Question, reals: Reals, person: Recipient, context: MailContext) -> _Written:
        """Rendered for this reader, and once more with stand-ins; a form is kept when both come to the same."""
        written = self._written(person, context)
        form = self._form(reals, person, context)
        self._credit -= _PRICE
        if self._credit < 0 or (form is not None and not self._is_same(self._fill(form, reals), written)):
            self.needs = None
        if form is None or self.needs is None:
            return written
        if len(_forms) >= _MOST_FORMS:
            _forms.clear()
        _forms[key] = form
        return written

    def _form(self, reals: Reals, person: Recipient, context: MailContext) -> Form[Filled] | None:
        stands = stand_ins(self.needs, reals) if self.needs else None
        if self.needs is None or stands is None:
            return None
        variables = self._variables(*_with(self.needs, stands, person, context))
        stencil = Stencil(stands)
        html = self.html.blanked(self.html.pieces(variables), stencil)
        subject = stencil.line(self._subject(variables, context))
        text = self.text.blanked(self.text.pieces(self._for_text(variables, context)), stencil, is_plain=True)
        if html is None or text is None:
            return None
        return Form(context.site, stands, subject, (text[0], html[0]), (text[1], html[1]))

    def _is_same(self, one: _Written, other: _Written) -> bool:
        """Whether two ways of writing come to the same mail, wherever the lines of their encoding end."""
        return (
            one.subject == other.subject
            and str(one.text) == str(other.text)
            and str(one.html) == str(other.html)
            and _decoded(one.text_wire, self.text) == _decoded(other.text_wire, self.text)
            and _decoded(one.html_wire, self.html) == _decoded(other.html_wire, self.html)
        )

    def _variables(self, person: Recipient, context: MailContext) -> dict[str, object]:
        zone, links, tracking = person.timezone, context.links, context.tracking
        made: dict[str, object] = {
            "subscriber": named(person.attributes, zone),
            "site": named(context.site, zone),
            "links": SimpleNamespace(
                unsubscribe=links.unsubscribe, preferences=links.preferences, view=links.view, referral=links.referral,
                confirm=links.confirm, magnet=_Lookup(links.magnets, "magnet"),
            ),
            "lang": self.compiled.locale,
            "dir": self.direction,
            "_images": context.image_url,
            "_l": self.open_links,
            "_b": "" if tracking is None else tracking.prefix,
            "_pixel": _pixel(tracking),
            "range": self.range,
        }  # fmt: skip
        if self.uses_personal:
            made["_person"] = _Personal(tracking, str(context.site.get("url") or "#"), is_html=True)
        if self.uses_survey:
            made["survey"] = _Lookup(context.surveys, "survey")
        if context.offer is not None:
            made["offer"] = named(context.offer, zone)
        if context.event is not None:
            made["event"] = named(context.event, zone)
        return {**named(context.extra, zone).__dict__, **made} if context.extra else made

    def _html(self, variables: dict[str, object], often: Mapping[str, bytes]) -> tuple[Filled, list[bytes]]:
        pieces = self.html.pieces(variables)
        if self.compiled.is_inlined:
            return self.html.filled(pieces, often)
        whole = inline("".join(pieces))
        return Filled(NOTHING_STATIC, [whole]), self.html.encoded(whole)

    def _text(
        self, variables: dict[str, object], context: MailContext, often: Mapping[str, bytes]
    ) -> tuple[str, list[bytes]]:
        return self.text.tidied(self.text.pieces(self._for_text(variables, context)), often)

    def _for_text(self, variables: dict[str, object], context: MailContext) -> dict[str, object]:
        variables = {**variables, "_l": self.text_links}
        if self.uses_personal:
            variables["_person"] = _Personal(context.tracking, str(context.site.get("url") or "#"), is_html=False)
        return variables

    def _subject(self, variables: dict[str, object], context: MailContext) -> str:
        body = self.subjects.get(context.subject_variant, self.subjects[""])
        return "".join(body.pieces(variables))

    def _head(self, person: Recipient, context: MailContext, subject: str, message_id: str) -> bytes:
        sender, lists = context.sender, context.lists
        fields = [
            headers.date_of(context.at),
            _from_fields(sender, self.direction),
            headers.mailbox("To", person.name, person.address),
            headers.subject(subject),
            f"Message-ID: {message_id}\r\n",
            headers.list_unsubscribe(lists.unsubscribe_url, lists.unsubscribe_mailto),
            headers.list_id(lists.list_name, lists.list_id),
            headers.feedback_id(lists.feedback) if lists.feedback else "",
            self.kind,
            headers.further(context.extra_headers) if context.extra_headers else "",
            "MIME-Version: 1.0\r\n",
        ]
        return "".join(fields).encode("ascii")

    def _alternative(self, text: list[bytes], html: list[bytes], _: Sequence[Attachment]) -> list[bytes]:
        head = b'Content-Type: multipart/alternative; boundary="=_pv_a"\r\n\r\n--=_pv_a\r\n'
        plain, rich = _part("plain", self.text.is_base64), _part("html", self.html.is_base64)
        return [head, plain, *text, b"\r\n--=_pv_a\r\n", rich, *html, b"\r\n--=_pv_a--\r\n"]

    def _mixed(self, text: list[bytes], html: list[bytes], parts: Sequence[Attachment]) -> list[bytes]:
        """Pictures of the text beside the HTML (related), files after everything (mixed)."""
        shown = [part for part in parts if part.content_id]
        files = [part for part in parts if not part.content_id]
        rich = _part("html", self.html.is_base64) + b"".join(html)
        if shown:
            rich = _multipart("related", "=_pv_r", [rich, *map(_attached, shown)])
        body = _multipart("alternative", "=_pv_a", [_part("plain", self.text.is_base64) + b"".join(text), rich])
        return [_multipart("mixed", "=_pv_m", [body, *map(_attached, files)]) if files else body]


@lru_cache(maxsize=2048)
def _on_one_line(subject: str, way: str) -> str:
    return led(" ".join(subject.split()), way)


def _with(needs: Needs, stands: Reals, person: Recipient, context: MailContext) -> tuple[Recipient, MailContext]:
    """The same reader with stand-ins for whatever has one."""
    first = len(stands) - len(needs.said)
    links = dict(zip(needs.links, stands[:first], strict=False))
    words = {name: stand for name, stand in zip(needs.said, stands[first:], strict=True) if stand}
    tracking = context.tracking
    if tracking is not None:
        prefix, pixel = stands[first - 2 : first]
        tracking = Tracking(prefix, pixel)
    context = replace(context, links=replace(context.links, **links), tracking=tracking)
    return replace(person, attributes={**person.attributes, **words}), context


def _decoded(wire: Sequence[bytes], part: Part) -> bytes:
    raw = b"".join(wire)
    return a2b_base64(raw) if part.is_base64 else a2b_qp(raw)


@lru_cache(maxsize=4)
def _part(subtype: str, is_base64: bool) -> bytes:
    encoding = "base64" if is_base64 else "quoted-printable"
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()


def _multipart(subtype: str, boundary: str, parts: list[bytes]) -> bytes:
    """A multipart whose boundary holds `=_`, which neither base64 nor quoted-printable can produce."""
    mark = f"\r\n--{boundary}".encode()
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n'.encode()
    return head + b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"


def _attached(part: Attachment) -> bytes:
    parameters = "".join(f"; {name}={value}" for name, value in part.parameters)
    disposition = "inline" if part.content_id else "attachment"
    fields = [
        f"Content-Type: {part.media_type}{parameters}\r\n",
        f"Content-Disposition: {disposition};\r\n {headers.filename(part.name)}\r\n",
        f"Content-ID: <{part.content_id}>\r\n" if part.content_id else "",
        "Content-Transfer-Encoding: base64\r\n\r\n",
    ]
    return "".join(fields).encode("ascii") + base64_lines(part.data)


def _kind_fields(is_service: bool) -> str:
    """RFC 3834 section 5: nobody's holiday reply is wanted; marketing also says that it is bulk."""
    fields = "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n"
    return fields if is_service else fields + "Precedence: bulk\r\n"


@lru_cache(maxsize=256)
def _from_fields(sender: Sender, way: str) -> str:
    reply = f"Reply-To: {headers.ascii_address(sender.reply_to)}\r\n" if sender.reply_to else ""
    return headers.mailbox("From", sender.name, sender.address, way) + reply


class _Lookup:
    """A function of templates that finds what was handed in."""

    __slots__ = ("kind", "values")

    def __init__(self, values: Mapping[str, object], kind: str) -> None:
        self.values, self.kind = values, kind

    def __call__(self, key: str) -> object:
        found = self.values.get(key)
        if found is None:
            raise LookupError(f"no {self.kind} {key!r} was handed in")
        return found


def _pixel(tracking: Tracking | None) -> Markup:
    if tracking is None or not tracking.pixel:
        return Markup("")
    return Markup(f"{_BEFORE}{escape(tracking.pixel)}{_AFTER}")  # noqa: S704 - escaped


_BEFORE = '<img src="'
_AFTER = '" alt="" width="1" height="1" border="0" style="display:block;width:1px;height:1px;border:0">'
_BEFORE_WIRE, _AFTER_WIRE = quoted_piece(_BEFORE), quoted_piece(_AFTER)


def _often(prefix: str, pixel: str, tracking: Tracking | None) -> dict[str, bytes]:
    """Quoted-printable of what every counted mail holds: its links' beginning, many times, and its pixel."""
    if tracking is None:
        return {}
    encoded = _BEFORE_WIRE + quoted_piece(str(escape(tracking.pixel))) + _AFTER_WIRE
    return {prefix: quoted_piece(prefix), pixel: encoded if pixel else b""}


class _Personal:
    """An address only this person has: counted when links are, and never anything but a web page."""

    __slots__ = ("elsewhere", "is_html", "tracking")

    def __init__(self, tracking: Tracking | None, elsewhere: str, *, is_html: bool) -> None:
        self.tracking, self.elsewhere, self.is_html = tracking, elsewhere, is_html

    def __call__(self, number: int, captured: str) -> Markup:
        url = unescape(captured).strip() if self.is_html else str(captured).strip()
        if not url.lower().startswith(("https://", "http://")):
            url = self.elsewhere
        elif self.tracking is not None and self.tracking.sign is not None:
            url = self.tracking.sign(number, url)
        return Markup(escape(url)) if self.is_html else Markup(url)  # noqa: S704 - escaped, or plain text
