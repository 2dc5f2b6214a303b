"""Drawing: where the lines, bars and cells of a chart lie, as plain numbers a template writes into SVG.

Owns the geometry only. Every chart is mirrored for right-to-left pages; no style is ever written into a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from app.web.dashboard.shell import clock
from app.web.dashboard.wording import compact, is_persian, number, percent

WIDTH, HEIGHT = 960, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 24


@dataclass(frozen=True, slots=True)
class Spot:
    """One point with its title and the column one can point at."""

    x: float
    y: float
    left: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of an axis, or a word under it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A curve over days, dotted beside it the stretch before."""

    curve: str
    before: str
    area: str
    spots: tuple[Spot, ...]
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    label: str
    width: int = WIDTH
    height: int = HEIGHT
    ground: float = HEIGHT - BOTTOM
    start: float = LEFT
    end: float = WIDTH - RIGHT
    is_mirrored: bool = False


def lines(
    values: Sequence[int], before: Sequence[int], first_day: int, label: str, *, shown: Callable[[int], str] = number
) -> Lines:
    """A curve of whole numbers, a day each."""
    top = ceiling(max([*values, *before, 1]))
    flow = is_persian()
    places = [_place(index, len(values), flow) for index in range(len(values))]
    heights = [_height(value, top) for value in values]
    former = [(_place(index, len(before), flow), _height(value, top)) for index, value in enumerate(before)]
    points = list(zip(places, heights, strict=True))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    spots = tuple(
        Spot(x, y, x - step / 2, step, f"{clock().short_day(first_day + i)}: {shown(values[i])}")
        for i, (x, y) in enumerate(points)
    )
    return Lines(
        curve=_path(points),
        before=_path(former) if any(before) else "",
        area=_area(points),
        spots=spots,
        rows=tuple(Mark(_axis_x(flow), _height(v, top), compact(v)) for v in (0, top / 2, top) if v == int(v)),
        columns=_columns(places, first_day, flow),
        label=label,
        start=RIGHT if flow else LEFT,
        end=WIDTH - LEFT if flow else WIDTH - RIGHT,
        is_mirrored=flow,
    )


def _place(index: int, number_: int, is_mirrored: bool) -> float:
    """Time runs as one reads: from the right in Persian."""
    share = index / max(1, number_ - 1)
    x = LEFT + share * (WIDTH - LEFT - RIGHT)
    return round(WIDTH - x if is_mirrored else x, 1)


def _axis_x(is_mirrored: bool) -> float:
    return WIDTH - LEFT + 6 if is_mirrored else LEFT - 6


def _height(value: float, top: float) -> float:
    return round(TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points) if points else ""


def _area(points: Sequence[tuple[float, float]]) -> str:
    if not points:
        return ""
    ground = HEIGHT - BOTTOM
    return f"{_path(points)}L{points[-1][0]} {ground}L{points[0][0]} {ground}Z"


def _columns(places: Sequence[float], first_day: int, _flow: bool) -> tuple[Mark, ...]:
    every = max(1, ceil(len(places) / 7))
    picked = range(every // 2, len(places), every)
    return tuple(Mark(places[i], HEIGHT - 6, clock().short_day(first_day + i)) for i in picked)


def ceiling(value: float) -> int:
    """The next round number: 1, 2, 4, 5, 10, 20 … so that halves stay whole where they can."""
    if value <= 2:
        return 2
    size = 10 ** floor(log10(value))
    return int(next(step * size for step in (1, 2, 4, 5, 6, 8, 10) if step * size >= value))


# ── Sparks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def spark(values: Sequence[int], width: int = 120, height: int = 28) -> str:
    """The path of a small curve without axes."""
    top, last = max([*values, 1]), max(1, len(values) - 1)
    flow = is_persian()
    points = [
        (round((1 - i / last if flow else i / last) * width, 1), round(2 + (1 - v / top) * (height - 4), 1))
        for i, v in enumerate(values)
    ]
    return _path(points)


# ── Heat ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a heat map; `strength` from 0 to 1."""

    text: str
    strength: float
    title: str


def cell(part: int, whole: int, title: str) -> Cell:
    share = part / whole if whole else 0.0
    return Cell(percent(share, 0), round(0.06 + 0.84 * share, 2) if part else 0.0, title)
