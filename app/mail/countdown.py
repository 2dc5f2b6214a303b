"""Countdown: a small picture of the time left, in the digits and direction of its reader.

Owns the drawing and the choice of a font of this machine. Nobody is named in it: the same time left is the same
picture. Must not read a clock: what is left is handed in.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont, features

from app.core.instants import DAY, HOUR, MINUTE, Span
from app.mail.source import direction
from app.mail.values import digits, language

WIDTH, HEIGHT = 640, 192
"""In pixels: twice what the mail shows, for sharp screens."""
_GROUND, _TILE, _INK, _SOFT = (11, 61, 46), (17, 92, 69), (255, 255, 255), (207, 232, 220)
"""The panel brings its own ground, so that it reads alike on white and on black."""
_FONTS: Final = (
    "Vazirmatn-Bold.ttf",
    "Vazirmatn-Medium.ttf",
    "NotoSansArabic-Bold.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans.ttf",
    "tahomabd.ttf",
    "Tahoma Bold.ttf",
    "arialbd.ttf",
    "Arial Bold.ttf",
    "GeezaPro.ttc",
    "LiberationSans-Bold.ttf",
)
_WORDS: Final = {
    "en": ("days", "hours", "minutes", "This offer has ended"),
    "fa": ("روز", "ساعت", "دقیقه", "زمان این پیشنهاد تمام شد"),
}
_MOST_DAYS: Final = 999


@dataclass(frozen=True, slots=True)
class Left:
    """Whole days, hours and minutes; all zero: it is over."""

    days: int
    hours: int
    minutes: int

    @property
    def is_over(self) -> bool:
        return not (self.days or self.hours or self.minutes)


def time_left(span: Span) -> Left:
    """A span in parts, rounded up to the minute: never less than there is, and over only when it is over."""
    minutes = max(0, -(-span // MINUTE))
    days, rest = divmod(minutes, DAY // MINUTE)
    if days > _MOST_DAYS:
        return Left(_MOST_DAYS, 23, 59)
    return Left(days, *divmod(rest, HOUR // MINUTE))


@lru_cache(maxsize=512)
def draw(left: Left, locale: str) -> bytes:
    """The picture as PNG, under 60 KB."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), _GROUND)
    pen = _Pen(ImageDraw.Draw(picture), language(locale) if language(locale) in _WORDS else "en")
    if left.is_over:
        pen.sentence(_WORDS[pen.locale][3])
    else:
        pen.tiles((left.days, left.hours, left.minutes))
    kept = BytesIO()
    picture.quantize(48).save(kept, "PNG", optimize=True)
    return kept.getvalue()


class _Pen:
    """Draws in one locale."""

    def __init__(self, canvas: ImageDraw.ImageDraw, locale: str) -> None:
        self._canvas = canvas
        self.locale = locale
        self._speaks = can_write(locale)

    def tiles(self, numbers: tuple[int, int, int]) -> None:
        """Three tiles, the days where reading begins."""
        named = list(zip(numbers, _WORDS[self.locale], strict=False))
        ordered = named[::-1] if direction(self.locale) == "rtl" else named
        gap, width = 16, (WIDTH - 4 * 16) // 3
        for place, (number, word) in enumerate(ordered):
            left = gap + place * (width + gap)
            self._canvas.rounded_rectangle((left, gap, left + width, HEIGHT - gap), 18, fill=_TILE)
            centre = left + width // 2
            self._write(centre, 78 if self._speaks else HEIGHT // 2, self._digits(number), 84, _INK)
            if self._speaks:
                self._write(centre, 146, word.removesuffix("s") if number == 1 else word, 34, _SOFT)

    def sentence(self, text: str) -> None:
        shown = text if self._speaks else self._digits(0)
        self._write(WIDTH // 2, HEIGHT // 2, shown, 38, _SOFT)

    def _digits(self, number: int) -> str:
        return digits(str(number), self.locale if self._speaks else "en")

    def _write(self, x: int, y: int, text: str, size: int, colour: tuple[int, int, int]) -> None:
        font = _font(size)
        is_arabic = any("\u0600" <= letter <= "\u06ff" and not letter.isdigit() for letter in text)
        if is_arabic and _shapes_itself():
            self._canvas.text((x, y), text, colour, font, anchor="mm", direction="rtl", language="fa")
        else:
            self._canvas.text((x, y), shaped(text) if is_arabic else text, colour, font, anchor="mm")


# ── Fonts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The first font of this machine that can write Persian, else any, else Pillow's own (Latin only)."""
    found: ImageFont.FreeTypeFont | None = None
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, size, layout_engine=_engine())
        except OSError:
            continue
        if _has_persian(font):
            return font
        found = found or font
    return found or ImageFont.load_default(size)


def _has_persian(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> bool:
    """Whether the font draws ۴ and گ otherwise than what it does not know."""
    if isinstance(font, ImageFont.ImageFont):
        return False
    unknown = bytes(font.getmask("\U000f0000"))
    return all(bytes(font.getmask(letter)) != unknown for letter in "۴گ")


@lru_cache(maxsize=4)
def can_write(locale: str) -> bool:
    """Whether words of a locale can be written here; without a font for Persian there are digits only."""
    return language(locale) != "fa" or _has_persian(_font(40))


def _shapes_itself() -> bool:
    return bool(features.check("raqm"))


def _engine() -> ImageFont.Layout:
    return ImageFont.Layout.RAQM if _shapes_itself() else ImageFont.Layout.BASIC


# ── Joining letters where the drawing library cannot ─────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def _forms() -> dict[str, dict[str, str]]:
    """Letter → its presentation forms (`<isolated>`, `<initial>` …), read from the Unicode data itself."""
    forms: dict[str, dict[str, str]] = {}
    for point in (*range(0xFB50, 0xFDFF), *range(0xFE70, 0xFEFD)):
        kind, _, base = unicodedata.decomposition(chr(point)).partition(" ")
        if kind.startswith("<") and base and " " not in base:
            forms.setdefault(chr(int(base, 16)), {}).setdefault(kind.strip("<>"), chr(point))
    return forms


def shaped(text: str) -> str:
    """A purely Persian text in joined letters, turned round for a drawing library that knows left to right only."""
    letters = []
    for place, letter in enumerate(text):
        known = _forms().get(letter, {})
        before = _joins_on(text[place - 1]) if place else False
        after = place + 1 < len(text) and "final" in _forms().get(text[place + 1], {}) and "initial" in known
        kind = {(True, True): "medial", (True, False): "final", (False, True): "initial"}.get(
            (before, after), "isolated"
        )
        letters.append(known.get(kind, letter))
    return "".join(reversed(letters))


def _joins_on(letter: str) -> bool:
    """Whether a letter reaches out to the next one: those that have a form for it."""
    return "initial" in _forms().get(letter, {})
