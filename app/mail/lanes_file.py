"""The lanes file: which lanes there are, who belongs to which, and what an installation changes of those shipped.

Owns the reading of `lanes.toml` and of a site's own file above it, every fault at once with its place and its mending.
Must not know how a lane stands: that is app.mail.lanes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from app.core.address import PROVIDERS, provider
from app.core.instants import Span, parse_span

DEFAULT: Final = "default"
SERVICE: Final = "service"


@dataclass(frozen=True, slots=True)
class Slowing:
    """What to do on an answer that holds `match`: a pause, or few mails a minute for a while."""

    match: str
    pause: Span = 0
    per_minute: int = 0
    lasts: Span = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """The rules of one lane. `per_minute` 0 means no limit of ours."""

    name: str
    connections: int = 10
    per_connection: int = 100
    per_minute: int = 0
    slow: tuple[Slowing, ...] = ()


@dataclass(frozen=True, slots=True)
class Lanes:
    """All lanes, and who belongs to which: `by_domain` and `by_mx` are endings, `by_provider` consumer names."""

    lanes: Mapping[str, Lane]
    by_provider: Mapping[str, str]
    by_mx: Mapping[str, str]
    by_domain: Mapping[str, str] = field(default_factory=dict)

    def of(self, domain: str, mx: Sequence[str] = ()) -> Lane:
        """The lane of a recipient's domain: by its own name, else its consumer name, else by where its mail lives,
        else the default one. `mx`: its hosts of the best preference.
        """
        return self.lanes[self.named(domain) or self.hosted(mx) or DEFAULT]

    def named(self, domain: str) -> str | None:
        """The lane a domain is in by its name alone: its MX does not matter."""
        return _by_ending(self.by_domain, domain) or self.by_provider.get(provider(domain))

    def hosted(self, mx: Sequence[str]) -> str | None:
        """The lane of these hosts. Where they belong to several, mail goes to each of them in turn: the tightest."""
        found = {lane for host in mx if (lane := _by_ending(self.by_mx, host))}
        return min(
            found, key=lambda name: (self.lanes[name].connections, self.lanes[name].per_connection, name), default=None
        )


def _by_ending(known: Mapping[str, str], name: str) -> str | None:
    """What is known of a host, or of the nearest name above it."""
    labels = name.lower().rstrip(".").split(".") if known else []
    endings = (".".join(labels[start:]) for start in range(len(labels)))
    return next((known[ending] for ending in endings if ending in known), None)


class LanesFault(Exception):
    """Everything that is wrong with a lanes file, a line each: `file:line:column: words`."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


NOTHING: Final = Lanes({}, {}, {})


@cache
def shipped_lanes() -> Lanes:
    """The lanes that come with Parvar."""
    return read_lanes(files("app.mail").joinpath("lanes.toml").read_text("utf-8"))


@cache
def lanes_of(path: Path | None) -> Lanes:
    """The shipped lanes with a site's own file above them. Raises LanesFault."""
    if path is None:
        return shipped_lanes()
    try:
        text = path.read_text("utf-8")
    except OSError as fault:
        raise LanesFault([f"{path}: cannot be read: {fault.strerror}"]) from fault
    except UnicodeDecodeError as fault:
        raise LanesFault([f"{path}: is not UTF-8; save it as UTF-8"]) from fault
    return read_lanes(text, str(path), shipped_lanes())


def read_lanes(text: str, name: str = "lanes.toml", under: Lanes = NOTHING) -> Lanes:
    """Lanes from TOML text above others: a key that is given takes the place of the one below, the rest stays.

    Raises LanesFault with every fault at once.
    """
    places = _Places(name, text)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise LanesFault([places.of_toml(str(fault))]) from fault
    reading = _LaneReading(places, under)
    for lane, table in tables.items():
        reading.lane(lane, table)
    for needed in (DEFAULT, SERVICE):
        if needed not in reading.lanes:
            reading.faults.append((1, 1, f"the lane [{needed}] is missing"))
    if reading.faults:
        raise LanesFault([f"{name}:{line}:{column}: {words}" for line, column, words in sorted(reading.faults)])
    return reading.found()


_LANE_KEYS: Final = frozenset(("providers", "domains", "mx", "connections", "per_connection", "per_minute", "slow"))
_SLOW_KEYS: Final = frozenset(("match", "pause", "per_minute", "lasts"))
_MOST: Final = {"connections": 256, "per_connection": 1_000_000, "per_minute": 1_000_000}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DOMAIN: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class _LaneReading:
    """One file read table by table into copies of what lies under it."""

    def __init__(self, places: _Places, under: Lanes) -> None:
        self._places = places
        self.lanes = dict(under.lanes)
        self._belonging = {
            "providers": dict(under.by_provider),
            "domains": dict(under.by_domain),
            "mx": dict(under.by_mx),
        }
        self._own: dict[tuple[str, str], str] = {}
        self.faults: list[tuple[int, int, str]] = []

    def found(self) -> Lanes:
        belonging = self._belonging
        return Lanes(self.lanes, belonging["providers"], belonging["mx"], belonging["domains"])

    def lane(self, name: str, table: object) -> None:
        if not isinstance(table, dict):
            self._fault(_Spot(""), f"'{name}' stands outside of a lane; write [lane] in the line above", name)
            return
        if not _NAME.fullmatch(name):
            self._fault(_Spot(name), f"'{name}' is no name of a lane; use up to 32 of a-z, 0-9, - and _")
        for key in sorted(set(table) - _LANE_KEYS):
            near = get_close_matches(key, _LANE_KEYS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(_LANE_KEYS))}"
            self._fault(_Spot(name, key), f"'{key}' is not known; {hint}")
        below = self.lanes.get(name, Lane(name))
        numbers = {key: self._number(_Spot(name, key), table, key) for key in _MOST}
        self.lanes[name] = replace(below, **{key: one for key, one in numbers.items() if one is not None})  # type: ignore[arg-type]
        if "slow" in table:
            slow = tuple(known for one in self._list(name, table, "slow") if (known := self._slowing(name, one)))
            self.lanes[name] = replace(self.lanes[name], slow=slow)
        for key in self._belonging:
            self._belong(name, table, key)

    # ── Who belongs ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _belong(self, name: str, table: Mapping[str, object], key: str) -> None:
        """What is named here is in this lane, wherever the file below had it; the lane's former ones are let go."""
        if key not in table:
            return
        where = self._belonging[key]
        for known in [known for known, lane in where.items() if lane == name]:
            del where[known]
        for one in self._list(name, table, key):
            if fault := self._not_one(key, one) or self._taken(name, key, str(one)):
                self._fault(_Spot(name, key, str(one)), f"{key}: {fault}")
            else:
                where[str(one)] = name

    def _taken(self, name: str, key: str, one: str) -> str:
        owner = self._own.setdefault((key, one), name)
        return "" if owner == name else f"'{one}' belongs to [{owner}] already; take it out of one of them"

    def _not_one(self, key: str, one: object) -> str:
        """Why this is no provider or domain, with the mending; "" when it is one."""
        if not isinstance(one, str):
            return "write texts, in quotes"
        if key == "providers":
            if one in PROVIDERS:
                return ""
            if "." in one:
                return f"'{one}' is a domain: write it under domains"
            near = get_close_matches(one, PROVIDERS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(PROVIDERS))}"
            return f"'{one}' is no provider Parvar knows; {hint} (others are written by their domains)"
        if _DOMAIN.fullmatch(one):
            return ""
        what, such = ("host", "mail.example.ir") if key == "mx" else ("domain", "example.ir")
        return f"'{one}' is no {what}; write it in small letters without a star, as {such}: all below it is meant"

    # ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self, spot: _Spot, table: Mapping[str, object], key: str) -> int | None:
        value = table.get(key)
        least = 0 if key == "per_minute" else 1
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST[key]):
            return value
        self._fault(spot, f"{key}: write a whole number from {least} to {_MOST[key]}")
        return None

    def _list(self, name: str, table: Mapping[str, object], key: str) -> list[object]:
        value = table.get(key, [])
        if isinstance(value, list):
            return value
        self._fault(_Spot(name, key), f"{key}: write a list, in [ ]")
        return []

    def _slowing(self, name: str, entry: object) -> Slowing | None:
        if not isinstance(entry, dict) or not isinstance(entry.get("match"), str) or set(entry) - _SLOW_KEYS:
            self._fault(
                _Spot(name, "slow"), 'slow: write { match = "…", pause = "2h" }, or with per_minute = 10, lasts = "30m"'
            )
            return None
        spot = _Spot(name, "slow", entry["match"])
        pause, lasts = self._span(spot, entry, "pause"), self._span(spot, entry, "lasts")
        per_minute = self._number(spot, entry, "per_minute") or 0
        if bool(pause) == bool(per_minute and lasts) and None not in (pause, lasts):
            self._fault(spot, "slow: give either pause, or per_minute and lasts")
        return Slowing(entry["match"].lower(), pause or 0, per_minute, lasts or 0)

    def _span(self, spot: _Spot, entry: Mapping[str, object], key: str) -> Span | None:
        """The span, 0 when none is given, None when it cannot be read."""
        text = entry.get(key)
        if text is None:
            return 0
        try:
            return parse_span(str(text))
        except ValueError as fault:
            self._fault(spot, f"slow {key}: {fault}")
            return None

    def _fault(self, spot: _Spot, words: str, top: str = "") -> None:
        lane = f"[{spot.lane}] " if spot.lane else ""
        self.faults.append((*self._places.of(_Spot("", top) if top else spot), f"{lane}{words}"))


# ── Places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place by what stands there: the lane's table, a key in it, a word of its value. "" for none."""

    lane: str
    key: str = ""
    word: str = ""


_HEADER: Final = re.compile(r"\s*\[\s*[\"']?([^\[\]\"'=]+?)[\"']?\s*\]\s*(#.*)?")
_AT: Final = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


class _Places:
    """Where things stand in a text, lines and columns from 1; the reader of TOML keeps no places."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = text.split("\n")

    def of_toml(self, fault: str) -> str:
        found = _AT.fullmatch(fault)
        if found:
            return f"{self._name}:{found[2]}:{found[3]}: this is not TOML: {found[1]}"
        end = f"{self._name}:{len(self._lines)}:{len(self._lines[-1]) + 1}"
        return f"{end}: this is not TOML: {fault.removesuffix(' (at end of document)')}"

    def of(self, spot: _Spot) -> tuple[int, int]:
        """Line and column of the nearest place that can be found: the word, else the key, else the table."""
        first, last = self._table(spot.lane)
        at = (first, 0)
        if spot.key and (found := self._find(re.compile(rf"\s*[\"']?({re.escape(spot.key)})[\"']?\s*="), first, last)):
            at = found
            if spot.word and (word := self._find(re.compile(rf".*?({re.escape(spot.word)})"), at[0], last)):
                at = word
        return at[0] + 1, at[1] + 1

    def _find(self, form: re.Pattern[str], first: int, last: int) -> tuple[int, int] | None:
        for number in range(first, last):
            if found := form.match(self._lines[number]):
                return number, found.start(1)
        return None

    def _table(self, lane: str) -> tuple[int, int]:
        """The first line of a table, and the one after its last."""
        heads = [(number, found[1]) for number, line in enumerate(self._lines) if (found := _HEADER.fullmatch(line))]
        starts = [number for number, name in heads if name == lane] if lane else [0]
        first = starts[0] if starts else 0
        return first, next((number for number, _ in heads if number > first), len(self._lines))
