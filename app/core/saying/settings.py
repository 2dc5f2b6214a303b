"""What a plan calls settings, steps and other words of files, and how it says their values, in both languages.

Owns which settings of a campaign and of the site a plan names. Must not compare anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.core.campaign import ON_GOAL, Campaign
from app.core.conditions import Condition
from app.core.figures import figures, isolated
from app.core.instants import Span, format_span
from app.core.pacing import Limit
from app.core.saying import persian
from app.core.site import Overdue, Site
from app.core.text import NO_TEXT, Text

T = TypeVar("T")

NOTHING = Text.said("none", "هیچ")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting: its name in files, what of it is compared, and that in words (nothing where words would be long)."""

    name: str
    value: Callable[[T], object]
    words: Callable[[T], Text] = lambda _: NO_TEXT


def condition_text(condition: Condition | None) -> Text:
    """English as it was written, Persian as a sentence."""
    return Text.said(condition.source, persian.condition_said(condition)) if condition else NOTHING


def key_text(key: str) -> Text:
    return Text.said(key, isolated(key)) if key else NOTHING


def keys_text(keys: Iterable[str]) -> Text:
    found = tuple(keys)
    return Text.said(", ".join(found), "، ".join(map(isolated, found))) if found else NOTHING


def _state(campaign: Campaign) -> Text:
    return Text.said(campaign.state.value, _STATES.get(campaign.state.value, campaign.state.value))


def _while(campaign: Campaign) -> Text:
    if not campaign.while_:
        return NOTHING
    said = " و ".join(map(persian.condition_said, campaign.while_))
    return Text.said(" and ".join(condition.source for condition in campaign.while_), said)


def _share(share: float) -> Text:
    return Text.said(f"{share:.0%}", persian.percent(share))


def _span(span: Span) -> Text:
    return Text.said(format_span(span), persian.span_said(span))


def _overdue(rule: Overdue) -> Text:
    return Text.said(
        f"stagger {format_span(rule.stagger)}, skip older than {format_span(rule.skip_older_than)}",
        f"پخش در {persian.span_said(rule.stagger)}، گذشتن از کهنه‌تر از {persian.span_said(rule.skip_older_than)}",
    )


def _title(campaign: Campaign) -> Text:
    return Text.said(campaign.title.in_locale("en"), isolated(campaign.title.in_locale("fa")))


def _stream(campaign: Campaign) -> Text:
    if campaign.stream is None:
        return NOTHING
    articles = campaign.stream.articles.items()
    in_english = (f"{stage}: {', '.join(each.mail for each in every)}" for stage, every in articles)
    in_persian = (f"{isolated(stage)}: {'، '.join(isolated(each.mail) for each in every)}" for stage, every in articles)
    return Text.said(" · ".join(in_english), " · ".join(in_persian))


HEADS: tuple[Setting[Campaign], ...] = (
    Setting("state", lambda c: c.state, _state),
    Setting("goal", lambda c: c.goal.source if c.goal else "", lambda c: condition_text(c.goal)),
    Setting("while", lambda c: [condition.source for condition in c.while_], _while),
    Setting("exclusive", lambda c: c.exclusive, lambda c: key_text(c.exclusive)),
    Setting("priority", lambda c: c.priority, lambda c: key_text(c.priority)),
    Setting("holdout", lambda c: c.holdout, lambda c: _share(c.holdout)),
    Setting("on_edit", lambda c: c.on_edit, lambda c: key_text(c.on_edit.value)),
    Setting("listen", lambda c: c.listen, lambda c: _span(c.listen)),
    Setting("overdue", lambda c: c.overdue, lambda c: _overdue(c.overdue)),
    Setting("title", lambda c: c.title, _title),
    Setting("stream", lambda c: c.stream, _stream),
)


def _limit(limit: Limit) -> str:
    window = "روز" if limit.window is None else persian.span_said(limit.window)
    return f"{figures(limit.count)} در {window}"


def _limits(site: Site) -> Text:
    limits = site.contact.limits
    return Text.said(", ".join(map(str, limits)), "، ".join(map(_limit, limits))) if limits else NOTHING


SITE: tuple[Setting[Site], ...] = (
    Setting("limits", lambda s: s.contact.limits, _limits),
    Setting("over_limit", lambda s: s.contact.delay_up_to, lambda s: _span(s.contact.delay_up_to)),
    Setting("quiet times", lambda s: s.contact.quiet),
    Setting("timezone", lambda s: s.timezone, lambda s: key_text(s.timezone)),
    Setting("priorities", lambda s: s.priorities, lambda s: keys_text(s.priorities)),
    Setting("attributes", lambda s: sorted(s.attributes), lambda s: keys_text(sorted(s.attributes))),
    Setting("events", lambda s: sorted(s.events), lambda s: keys_text(sorted(s.events))),
    Setting("topics", lambda s: sorted(s.topics), lambda s: keys_text(sorted(s.topics))),
    Setting("tracking", lambda s: s.tracking),
    Setting("guards", lambda s: s.guards),
    Setting("sender", lambda s: s.sender, lambda s: key_text(s.sender.address)),
)


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_STATES = {"draft": "پیش‌نویس", "live": "جاری", "paused": "متوقف", "retired": "بازنشسته"}
_NAMES = {
    "enter": "ورود",
    "state": "وضعیت",
    "goal": "هدف",
    "while": "شرط ماندن",
    "exclusive": "گروه انحصاری",
    "priority": "اولویت",
    "holdout": "گروه گواه",
    "on_edit": "رفتار هنگام ویرایش",
    "listen": "مدت گوش به زنگ بودن",
    "overdue": "رفتار با دیرکردها",
    "title": "عنوان",
    "stream": "رشتهٔ نوشته‌ها",
    "order": "ترتیب پله‌ها",
    "scoring": "امتیازدهی",
    "limits": "سقف تماس",
    "over_limit": "بلندترین تأخیر",
    "quiet times": "زمان‌های آرام",
    "timezone": "منطقهٔ زمانی",
    "priorities": "اولویت‌ها",
    "attributes": "ویژگی‌ها",
    "events": "رویدادها",
    "topics": "موضوع‌ها",
    "tracking": "ردیابی",
    "guards": "حدهای ایمنی",
    "sender": "فرستنده",
}
_SORTS = {
    "mail": "ایمیل",
    "box": "جعبه",
    "offer": "پیشنهاد",
    "survey": "نظرسنجی",
    "content": "محتوا",
    "stage": "مرحله",
    "kind": "گونه",
    "segment": "بخش",
    "scoring": "امتیازدهی",
    "site": "سایت",
}
_WAYS = {"rise": "بالا رفتن به", "fall": "پایین آمدن از"}


def name_text(sort: str, name: str) -> Text:
    """What a change is called: the name of a setting, the key of a thing, the id of a step."""
    if sort == "step":
        return Text.said(name, step_named(name))
    key, _, way = name.rpartition(" ")
    if sort == "stage" and key and way in _WAYS:
        return Text.said(name, f"{_WAYS[way]} {isolated(key)}")
    is_setting = sort in ("setting", "entry", "site", "scoring") or (sort, name) == ("stage", "order")
    return Text.said(name, _NAMES.get(name, isolated(name)) if is_setting else isolated(name))


def sort_text(sort: str) -> Text:
    return Text.said(sort, _SORTS.get(sort, isolated(sort)))


def step_named(step: str) -> str:
    """A step's id in Persian: what stands `before ebook/story` is «پیش از» that mail."""
    way, _, rest = step.partition(" ")
    if way == "before" and rest:
        return f"پیش از {isolated(rest)}"
    if step.startswith("end of "):
        sequence = step.removeprefix("end of ")
        return "پایان دنبالهٔ پس از هدف" if sequence == ON_GOAL else f"پایان دنبالهٔ {isolated(sequence)}"
    return isolated(step)


def place_in(sequence: str) -> Text:
    """The block of a step that stands in no other one."""
    return Text.said(f"in {sequence}", f"در {isolated(sequence)}")


def place_under(step: str, branch: str) -> Text:
    return Text.said(f"under {step}, {branch}", f"زیر «{step_named(step)}»، شاخهٔ {isolated(branch)}")


def joined(texts: Iterable[Text]) -> Text:
    """Entries, one of which is enough."""
    found = tuple(texts)
    if not found:
        return NOTHING
    return Text.said(*(word.join(text.in_locale(locale) for text in found) for locale, word in _OR))


_OR = (("en", " or "), ("fa", " یا "))

__all__ = [
    "HEADS",
    "NOTHING",
    "SITE",
    "Setting",
    "condition_text",
    "joined",
    "name_text",
    "place_in",
    "place_under",
    "sort_text",
    "step_named",
]
