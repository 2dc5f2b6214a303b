"""Refusals of a plan: why it may not be applied, where, and the text to write, in both languages.

Owns their words. Must not find them.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.figures import grouped, isolated
from app.core.saying.settings import step_named
from app.core.text import Place, Text


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why this may not be applied, where, and the text to write."""

    code: str
    words: Text
    fix: Text
    place: Place


def lost(campaign: str, step: str, people: int, place: Place) -> Refusal:
    """People stand at a step that is gone from its campaign."""
    onward, moved = f'removed: {{"{step}": next}}', f'moved: {{"{step}": …}}'
    fix = Text.said(
        f'{onward}   or   moved: {{"{step}": where they go on}}',
        f"{isolated(onward)} یا {isolated(moved)} و به جای سه‌نقطه گامی که از آن ادامه می‌دهند",
    )
    return Refusal("lost", _stand(campaign, step, people), fix, place)


def lost_with_campaign(campaign: str, step: str, people: int, place: Place) -> Refusal:
    """The same where the whole campaign is gone."""
    stop = f"parvar stop {campaign} --now"
    fix = Text.said(
        f"bring {campaign} back with state: retired, so that its runs finish; or {stop}",
        f"کارزار {isolated(campaign)} را با {isolated('state: retired')} برگردانید تا دورهایش به پایان برسند؛"
        f" یا {isolated(stop)}",
    )
    return Refusal("lost", _stand(campaign, step, people), fix, place)


def _stand(campaign: str, step: str, people: int) -> Text:
    english = f"{_people(people)} {'stands' if people == 1 else 'stand'} at “{step}”, which is gone from {campaign}"
    stand = "ایستاده است" if people == 1 else "ایستاده‌اند"
    persian = f"{grouped(people)} نفر در گام «{step_named(step)}» {stand} و این گام دیگر در {isolated(campaign)} نیست"
    return Text.said(english, persian)


def twice(campaign: str, mail: str, people: int, example: str, place: Place) -> Refusal:
    """Somebody would get a mail a second time."""
    would = "می‌گرفت" if people == 1 else "می‌گرفتند"
    words = Text.said(
        f"{_people(people)} would get {mail} a second time in {campaign}, {example} for one",
        f"{grouped(people)} نفر ایمیل {isolated(mail)} را در {isolated(campaign)} بار دوم {would}،"
        f" از جمله {isolated(example)}",
    )
    moved = isolated(f"moved: {{{mail}: …}}")
    fix = Text.said(
        f"give the step its former name: id: …, or write moved: {{{mail}: its new id}}",
        f"نام پیشین گام را با {isolated('id: …')} به آن بدهید، یا بنویسید {moved} و به جای سه‌نقطه نام تازه‌اش",
    )
    return Refusal("twice", words, fix, place)


def _people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}"
