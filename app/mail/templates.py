"""The sandbox in which mails are rendered: environments, filters, and the check of names before anything is sent.

Owns Jinja2. A template sees only the values handed in, cannot change them, and an unknown name is an error at check
time, not a gap in somebody's mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from app.mail import bidi, values
from app.mail.link_table import with_parameters
from app.mail.source import direction
from app.mail.values import Code, Moment, Money, Percent, Picture, Survey

_ANSWER = Markup(
    '<a href="{url}" style="display:block; padding:9px {side}px; border:1px solid #8fa79b; border-radius:6px; '
    'color:#0b6b4f; font-size:15px; line-height:1.4; text-align:center; text-decoration:none">{label}</a>'
)
_CELL = Markup('<td dir="{way}" style="padding:2px; border:0">{answer}</td>')
_ROWS = Markup(
    '<table role="presentation" class="pv-survey" dir="{way}" width="100%" cellpadding="0" cellspacing="0" border="0" '
    'style="width:100%; margin:0 0 18px 0; {layout}">{rows}</table>'
)
_PICTURE = Markup(
    '<img src="{}" alt="{}" width="{}" height="{}" border="0" style="display:block; max-width:100%; border:0">'
)


_SHORT, _KEPT = 64, 4096
"""Texts up to so many characters are kept once they are made ready, so many of them for each locale."""
_SPECIAL = re.compile("[&<>\"']").search


def escaped(text: str) -> str:
    """HTML-escaped, as a plain string."""
    return str(escape(text)) if _SPECIAL(text) else text


class Formats:
    """How values look in one locale, by the place where they stand. Shared by every mail of the locale.

    The first five methods give text that is ready for its place: escaped where that is needed.
    """

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self.direction = direction(locale)
        self.is_ltr = self.direction == "ltr"
        # a name stands several times in a mail, and the words of a few thousand people repeat
        self._short_in_text = lru_cache(maxsize=_KEPT)(self._foreign_in_text)
        self._short_in_plain = lru_cache(maxsize=_KEPT)(self._foreign_in_plain)

    # Where a value stands: in the text of an element, in an attribute, in an address, in the text part.

    def in_text(self, value: object) -> str:
        """Isolated when it runs against the mail, typed values in the words of the locale."""
        if type(value) is str:
            if self.is_ltr and value.isascii() and value.isprintable():
                return escaped(value)
            return self._short_in_text(value) if len(value) <= _SHORT else self._foreign_in_text(value)
        if isinstance(value, Markup):
            return str(value)
        if isinstance(value, Code):
            return f'<bdi dir="ltr">{escaped(bidi.clean_line(value.text))}</bdi>'
        if isinstance(value, Survey):
            return str(self._survey(value))
        if isinstance(value, Picture):
            return str(_PICTURE.format(value.url, value.alt, value.width, value.height))
        return self._isolated(self._plain(value))

    def _foreign_in_text(self, value: str) -> str:
        return self._isolated(bidi.clean(value))

    def _foreign_in_plain(self, value: str) -> str:
        return bidi.isolate(bidi.clean_line(value), self.direction)

    def _isolated(self, text: str) -> str:
        safe = escaped(text)
        return f"<bdi>{safe}</bdi>" if bidi.runs_against(text, self.direction) else safe

    def _survey(self, survey: Survey) -> Markup:
        """A scale stands in one row, answers in words below each other."""
        is_scale = all(len(answer.label) <= 2 for answer in survey.answers)
        cells = [
            _CELL.format(
                way=self.direction, answer=_ANSWER.format(url=url, side=0 if is_scale else 14, label=self.digits(label))
            )
            for label, url in ((answer.label, answer.url) for answer in survey.answers)
        ]
        rows = [Markup("").join(cells)] if is_scale else cells
        return _ROWS.format(
            way=self.direction,
            layout="table-layout:fixed" if is_scale else "max-width:320px",
            rows=Markup("").join(Markup("<tr>{}</tr>").format(row) for row in rows),
        )

    def in_attribute(self, value: object) -> str:
        """For a quoted attribute, without isolates: attributes may be addresses."""
        return escaped(bidi.clean_line(value if type(value) is str else self._plain(value)))

    def as_address(self, value: object) -> str:
        """A whole address: only what a link may safely open, `#` for anything else."""
        text = self.as_written(value)
        if text.startswith("https://"):
            return escaped(text)
        scheme, colon, _ = text.partition(":")
        if colon and scheme.strip().lower() not in ("http", "https", "mailto", "tel", "sms", "cid"):
            return "#"
        return escaped(text)

    def in_address(self, value: object) -> str:
        """Percent-encoded, for a value within an address."""
        return quote(self.as_written(value), safe="")

    def in_style(self, value: object) -> str:
        """Only what a colour, a size or a word needs: nothing can end the declaration."""
        return "".join(character for character in str(value) if character.isalnum() or character in "#.%- ,")

    def in_plain(self, value: object) -> str:
        """For the text part and headers: one line, isolated when it runs against the mail; nothing is escaped."""
        if type(value) is str:
            if self.is_ltr and value.isascii() and value.isprintable():
                return value
            return self._short_in_plain(value) if len(value) <= _SHORT else self._foreign_in_plain(value)
        if isinstance(value, Markup):
            return bidi.clean_line(value.striptags())
        if isinstance(value, Code):
            return bidi.isolate(bidi.clean_line(value.text), self.direction)
        if isinstance(value, Survey):
            return "\n".join(f"{self.digits(answer.label)}: {answer.url}" for answer in value.answers)
        return self._plain(value)

    def as_written(self, value: object) -> str:
        """Plain, with no isolate: an address in the text part must end where it ends."""
        return bidi.clean_line(str(value) if value is not None else "")

    def _plain(self, value: object) -> str:
        return bidi.clean(values.plain(value, self.locale))

    # What an author may ask for.

    def date(self, value: object, style: str = "long") -> str:
        """`{{ offer.ends|date }}`, `|date("short")`, `|date("full")`."""
        if isinstance(value, Moment):
            return values.day(values.local(value).date(), self.locale, style)
        if isinstance(value, datetime):
            return values.day(value.date(), self.locale, style)
        return values.day(value, self.locale, style) if isinstance(value, date) else self._plain(value)

    def time(self, value: object) -> str:
        """`{{ offer.ends|time }}`: 21:00 on the reader's clock."""
        if isinstance(value, Moment):
            return values.clock(values.local(value), self.locale)
        return values.clock(value, self.locale) if isinstance(value, datetime) else self._plain(value)

    def digits(self, value: object) -> str:
        """The digits of the locale in any text."""
        return values.digits(str(value) if isinstance(value, str) else self._plain(value), self.locale)

    def money(self, value: object, currency: str = "IRR", show: str = "") -> str:
        """`{{ event.total|money("IRR", "toman") }}`; values that are money already need no filter."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = Money(value, currency, show)
        return self._plain(value)

    def percent(self, value: object) -> str:
        return self._plain(Percent(value) if isinstance(value, (int, float)) else value)

    def code(self, value: object) -> Code:
        """Stays Latin, in a run of its own."""
        return Code(str(value))

    def bidi(self, value: object) -> Markup:
        """Isolated whatever its letters say."""
        return Markup("<bdi>{}</bdi>").format(self._plain(value))


@lru_cache(maxsize=64)
def formats(locale: str) -> Formats:
    return Formats(locale)


def _filters(shown: Formats) -> dict[str, Callable[..., object]]:
    return {
        "date": shown.date, "time": shown.time, "digits": shown.digits, "money": shown.money,
        "percent": shown.percent, "code": shown.code, "bidi": shown.bidi,
    }  # fmt: skip


def _places(shown: Formats) -> dict[str, Callable[[object], str]]:
    return {
        "_t": shown.in_text, "_a": shown.in_attribute, "_q": shown.in_address, "_c": shown.in_style,
        "_u": shown.as_address, "_p": shown.in_plain, "_w": shown.as_written,
    }  # fmt: skip


def _tagged_html(url: object, parameters: str, hosts: str) -> str:
    """An address as HTML has it, tagged by the site's rule."""
    return str(escape(with_parameters(unescape(str(url)).strip(), parameters, hosts.split())))


def _tagged_plain(url: object, parameters: str, hosts: str) -> str:
    return with_parameters(str(url).strip(), parameters, hosts.split())


def _marked(show: Callable[[object], str]) -> Callable[[object], Markup]:
    """The same text, known to be safe."""
    return lambda value: Markup(show(value))  # noqa: S704 - every place escapes for itself


class Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox with a short way to the values we hand in ourselves."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute; our own name spaces hold nothing unsafe."""
        if obj.__class__ is SimpleNamespace and attribute in obj.__dict__:
            return obj.__dict__[attribute]
        return super().getattr(obj, attribute)


_UNSAFE = ("xmlattr", "pprint", "random", "tojson", "urlize", "filesizeformat")


@lru_cache(maxsize=64)
def environment(locale: str, *, is_swift: bool = False) -> Sandbox:
    """The sandbox for one locale. Names of our own filters begin with `_` and cannot be written by authors.

    The swift one leaves escaping to those filters, which stand on every expression: fit for templates in which nothing
    else makes markup.
    """
    sandbox = Sandbox(
        autoescape=not is_swift, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0, auto_reload=False
    )
    for name in _UNSAFE:
        sandbox.filters.pop(name, None)
    sandbox.filters.update(_filters(formats(locale)))
    places = _places(formats(locale))
    sandbox.filters.update(places if is_swift else {name: _marked(show) for name, show in places.items()})
    sandbox.filters.update({"_m": _tagged_html, "_n": _tagged_plain})
    sandbox.globals.clear()
    sandbox.globals["range"] = _short_range
    return sandbox


_MAKES_MARKUP = re.compile(
    r"\{%\s*(macro|call|filter|set (?!_u\d+ %)\w+ %)|\b(safe|escape|forceescape|bidi|e|Markup)\b\s*[^\w=:]"
)


def sandbox_for(source: str, locale: str) -> Sandbox:
    """The swiftest environment that renders this compiled template rightly."""
    return environment(locale, is_swift=_MAKES_MARKUP.search("".join(_CODE.findall(source))) is None)


_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


def _short_range(*bounds: int) -> range:
    """A range a mail can hold."""
    made = range(*bounds)
    if len(made) > 100:
        raise ValueError("a mail repeats nothing more than 100 times")
    return made
