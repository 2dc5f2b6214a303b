"""The words conditions may use, gathered from what the files declare, and every condition checked against them.

Owns filling `Words`. Must not judge a condition itself: the core does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from app.core.boxes import Box
from app.core.campaign import ByEvent, Campaign
from app.core.conditions import ConditionSite, SurveyWords, Words, check
from app.core.offers import NumberScale, Survey
from app.core.problem import Problem
from app.core.site import Ladder, Site, TrackingMode
from app.core.workspace import MailFacts
from app.files.reading import Asked
from app.files.scalars import sentence

_NO_RUN_YET = "condition-place"


def words_of(
    site: Site,
    ladder: Ladder,
    boxes: Mapping[str, Box],
    surveys: Mapping[str, Survey],
    mails: Mapping[str, frozenset[str]],
) -> Words:
    """The declared words of a site, outside any campaign. `mails`: mail → the names of its links."""
    return Words(
        stages=tuple(stage.key for stage in ladder.stages),
        kinds=tuple(key for key, _ in ladder.kinds),
        locales=site.locales,
        attributes=site.attributes,
        events=site.events,
        surveys={key: _survey_words(survey) for key, survey in surveys.items()},
        topics=frozenset(site.topics),
        segments=frozenset(ladder.segments),
        boxes=frozenset(boxes),
        mails=mails,
        tracks_opens=site.tracking.opens is TrackingMode.INDIVIDUAL,
        tracks_clicks=site.tracking.clicks is TrackingMode.INDIVIDUAL,
    )


def links_of(mails: Iterable[str], facts: Iterable[MailFacts]) -> Mapping[str, frozenset[str]]:
    """Mail → the names of its links, in any of its locales."""
    found: dict[str, frozenset[str]] = {key: frozenset() for key in mails}
    for each in facts:
        found[each.key] = found.get(each.key, frozenset()) | frozenset(each.links)
    return found


def _survey_words(survey: Survey) -> SurveyWords:
    if isinstance(survey.scale, NumberScale):
        return SurveyWords(low=survey.scale.low, high=survey.scale.high)
    return SurveyWords(options=tuple(key for key, _ in survey.scale.options))


def wrong_conditions(
    asked: Iterable[Asked], words: Words, campaigns: tuple[Campaign, ...] | None, *, has_links: bool
) -> Iterator[Problem]:
    """Problems of the conditions of one file.

    `campaigns` are those whose runs ask them: the file's own, or all that use a fragment; None when that is not known,
    and then nothing is said about the event that begins a run. Without `has_links` link names are not compared.
    """
    entering = _within(words, campaigns or (), is_entry=True)
    running = _within(words, campaigns or (), is_entry=False)
    for each in asked:
        own = entering if each.site is ConditionSite.ENTRY else running
        for problem in check(each.condition, own, each.site):
            is_unknown = problem.code == _NO_RUN_YET and campaigns is None
            if not is_unknown and (has_links or problem.code != "condition-unknown-link"):
                yield replace(problem, fix=sentence(problem.fix))


def _within(words: Words, campaigns: tuple[Campaign, ...], *, is_entry: bool) -> Words:
    """The words of a campaign: the events that begin its runs, and the field that keys them."""
    rules = [(entry.rule, entry.again.each) for campaign in campaigns for entry in campaign.entries]
    events = tuple(dict.fromkeys(rule.event for rule, _ in rules if isinstance(rule, ByEvent)))
    is_only_way = all(isinstance(rule, ByEvent) for rule, _ in rules)
    keys = [each for _, each in rules if each]
    return replace(words, entered_by=events if is_entry or is_only_way else (), run_key=keys[0] if keys else "")
