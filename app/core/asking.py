"""Asking: which sorts of facts the live rules ask about, so that a store fetches no others.

Owns the walk over every condition of a book. Must not evaluate any.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.book import Book
from app.core.campaign import ByChange, Campaign, Choose, ForCondition, If, Once, Wait
from app.core.conditions import Condition
from app.core.facts import FactKind
from app.core.site import Ladder

_ALWAYS = frozenset({FactKind.SIGNED_UP, FactKind.CONFIRMED, FactKind.ANSWERED, FactKind.RECEIVED})
"""Asked by the engine itself: completed boxes, answers waited for, articles received before."""


def kinds_asked(book: Book) -> frozenset[FactKind]:
    """The kinds of facts any condition of the book, older versions included, can look at."""
    campaigns = (*book.campaigns.values(), *book.older.values())
    conditions = [condition for campaign in campaigns for condition in conditions_of(campaign)]
    conditions += conditions_of_ladder(book.ladder)
    asked = {need.kind for condition in conditions for need in condition.needs()}
    return _ALWAYS | asked


def conditions_of(campaign: Campaign) -> Iterator[Condition]:
    """Every condition of a campaign: entries, goal, while, steps, articles."""
    yield from campaign.while_
    if campaign.goal:
        yield campaign.goal
    for entry in campaign.entries:
        if entry.where:
            yield entry.where
        if isinstance(entry.rule, ByChange):
            yield entry.rule.when
        if isinstance(entry.rule, Once) and entry.rule.who:
            yield entry.rule.who
    yield from _step_conditions(campaign)


def _step_conditions(campaign: Campaign) -> Iterator[Condition]:
    for step in campaign.steps():
        match step:
            case If():
                yield step.condition
            case Choose():
                yield from (option.when for option in step.options)
            case Wait(rule=ForCondition() as rule):
                yield rule.condition
            case _:
                pass
    if campaign.stream:
        articles = (article for articles in campaign.stream.articles.values() for article in articles)
        yield from (article.when for article in articles if article.when)


def conditions_of_ladder(ladder: Ladder) -> Iterator[Condition]:
    """Every condition of the ladder: rises, falls, kinds, fit, segments."""
    for stage in ladder.stages:
        yield from (rule for rule in (stage.rise, stage.fall) if rule)
    yield from (condition for _, condition in ladder.kinds)
    yield from (rule.when for rule in ladder.fit)
    yield from ladder.segments.values()
