"""`ladder.yaml`: stages, kinds, scoring, segments.

Owns the form of this file. Must not judge whether a rung can be reached (core/check does).
"""

from __future__ import annotations

from app.core.conditions import ConditionSite
from app.core.instants import DAY
from app.core.pacing import Limit
from app.core.site import FitRule, Ladder, ScoringRule, Stage
from app.core.text import NO_TEXT
from app.files.forms import Form, Record, maybe, needed, usual
from app.files.language.notes import ALLOW, keep_allowed
from app.files.language.site import frozen
from app.files.reading import Kind
from app.files.scalars import DURATION, LIMIT, MAIL, PAGE, TEXT, TOPIC, WORD, ConditionIn, Number
from app.files.shapes import ListOf, TableOf

SIGNALS = ("confirmed", "open", "click", "visit", "reply", "referral", "order", "signup")
"""What may be scored besides declared events."""

_LABEL = usual("label", TEXT, NO_TEXT, "The stage's name in the dashboard.")
_RISE = maybe(
    "rise", ConditionIn(ConditionSite.LADDER, '"score >= 30"'), "Who comes up to this stage; asked from the top down."
)
_FALL = maybe(
    "fall", ConditionIn(ConditionSite.LADDER, "\"held_for('14d', score < 20)\""), "Who falls one stage down from here."
)
_STAGE = Form(
    "stage",
    (_LABEL, _RISE, _FALL),
    lambda r: Stage("", r[_LABEL], r[_RISE], r[_FALL], r.place),
    "A rung of the ladder.",
)

_POINTS = Number("a number of points", -1000, 1000, "5")
_ON = needed("on", WORD, f"The signal: {', '.join(SIGNALS)}, or a declared event.")
_ON_POINTS = needed("points", _POINTS, "Points for each; all rules that match add up.")
_TOPIC = maybe("topic", TOPIC, "Only links and pages of this topic.")
_PATH = maybe("path", PAGE, "Only visits to these pages.")
_MAIL = maybe("mail", MAIL, "Only for this mail.")
_AT_MOST = maybe("at_most", LIMIT, "At most so many points in such a time: 15 per 30d.")


def _rule(record: Record) -> ScoringRule:
    on, most = record[_ON], record[_AT_MOST]
    if on not in SIGNALS:
        record.reading.refer(Kind.EVENT, on, record.span_of(_ON))
    if record.has(_PATH) and on != "visit":
        record.report(_PATH, "scoring-narrowed", "only visits have a path", "Write: on: visit")
    if record.has(_MAIL) and on not in ("click", "open", "reply"):
        record.report(_MAIL, "scoring-narrowed", f"'{on}' has no mail", "Write: on: click")
    if record.has(_TOPIC) and on not in ("click", "visit"):
        record.report(_TOPIC, "scoring-narrowed", f"'{on}' has no topic", "Write: on: click")
    parts = (on, record[_TOPIC] or "", record[_PATH] or "", record[_MAIL] or "")
    return ScoringRule(
        key=" ".join(part for part in parts if part),
        on=on,
        points=record[_ON_POINTS],
        topic=record[_TOPIC] or "",
        path=record[_PATH] or "",
        mail=record[_MAIL] or "",
        at_most=most.count if most else None,
        per=_window(most),
    )


def _window(most: Limit | None) -> int:
    if most is None:
        return 30 * DAY
    return most.window if most.window is not None else DAY


_RULE = Form("scoring rule", (_ON, _TOPIC, _PATH, _MAIL, _ON_POINTS, _AT_MOST), _rule, "Points for one sort of signal.")
_WHEN = needed(
    "when", ConditionIn(ConditionSite.SITE_RULE, "\"attribute('budget') == 'high'\""), "Whom these points are given."
)
_FIT_POINTS = needed("points", _POINTS, "Points while the condition holds.")
_FIT = Form(
    "fit rule", (_WHEN, _FIT_POINTS), lambda r: FitRule(r[_WHEN], r[_FIT_POINTS]), "Points for who somebody is."
)
_HALF_LIFE = usual("half_life", DURATION, 30 * DAY, "After this time a point is worth half.", "30d")
_ENGAGEMENT = usual("engagement", ListOf(_RULE), (), "Points for what people do; they fade.")
_FIT_RULES = usual("fit", ListOf(_FIT), (), "Points for who people are; they do not fade.")
_SCORING = Form("scoring", (_HALF_LIFE, _ENGAGEMENT, _FIT_RULES), lambda record: record, "How interest is counted.")

STAGES = needed("stages", TableOf(WORD, _STAGE, least=1, fallback=Stage), "The rungs, lowest first.")
KINDS = usual(
    "kinds",
    TableOf(WORD, ConditionIn(ConditionSite.KIND, "\"visited('/pricing*')\"")),
    (),
    "The first that holds; else none.",
)
SCORING = maybe("scoring", _SCORING, "How interest is counted.")
SEGMENTS = usual(
    "segments", TableOf(WORD, ConditionIn(ConditionSite.SEGMENT, '"revenue >= 5000000"')), (), "Groups kept up to date."
)


def _ladder(record: Record) -> Ladder:
    keep_allowed(record, is_file=True)
    if (node := record.node.get("kinds")) is not None and "none" in dict(record[KINDS]):
        record.reading.report(
            "reserved-word", node.span, "the kind 'none' is for whom no kind fits", "Choose another word"
        )
    scoring = record[SCORING]
    stages = tuple(Stage(key, stage.label, stage.rise, stage.fall, stage.place) for key, stage in record[STAGES])
    rules = () if scoring is None else _with_own_keys(scoring[_ENGAGEMENT])
    return Ladder(
        stages=stages,
        kinds=record[KINDS],
        half_life=30 * DAY if scoring is None else scoring[_HALF_LIFE],
        engagement=rules,
        fit=() if scoring is None else scoring[_FIT_RULES],
        segments=frozen(record[SEGMENTS]),
        place=record.place,
    )


def _with_own_keys(rules: tuple[ScoringRule, ...]) -> tuple[ScoringRule, ...]:
    """Two rules of the same sort are told apart by their order, so that each has its own receipt."""
    seen: dict[str, int] = {}
    named = []
    for rule in rules:
        seen[rule.key] = seen.get(rule.key, 0) + 1
        key = rule.key if seen[rule.key] == 1 else f"{rule.key} {seen[rule.key]}"
        named.append(ScoringRule(key, rule.on, rule.points, rule.topic, rule.path, rule.mail, rule.at_most, rule.per))
    return tuple(named)


LADDER_FILE = Form(
    "ladder file",
    (STAGES, KINDS, SCORING, SEGMENTS, ALLOW),
    _ladder,
    "The stages of the buyer's way, the kinds of readers, how interest is counted, and segments. Exactly one per site.",
)
