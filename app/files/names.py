"""Names against declarations: mails, boxes, campaigns, events, stages … and the locales of texts.

Owns these problems. Must not know conditions, which are checked by the core.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from app.core.problem import Problem
from app.core.text import Place
from app.files.reading import Kind, Reference, Spoken
from app.files.words import listed, nearest

_DECLARE: Final = {
    Kind.BOX: "campaigns/boxes/{0}.yaml",
    Kind.OFFER: "campaigns/offers/{0}.yaml",
    Kind.SURVEY: "campaigns/surveys/{0}.yaml",
    Kind.FRAGMENT: "campaigns/fragments/{0}.yaml",
    Kind.PERSON: "campaigns/people/{0}.yaml",
    Kind.CAMPAIGN: "campaigns/{0}.yaml",
}
_IN_SITE: Final = {
    Kind.ATTRIBUTE: "attributes",
    Kind.EVENT: "events",
    Kind.TOPIC: "topics",
    Kind.WEBHOOK: "webhooks",
    Kind.PRIORITY: "priorities",
}
_IN_LADDER: Final = {Kind.STAGE: "stages", Kind.KIND: "kinds"}
Known = Mapping[Kind, Collection[str]]
"""Every declared name. A kind that is left out could not be read and is not compared."""


def unknown_names(references: Iterable[Reference], known: Known, locale: str) -> Iterator[Problem]:
    """One problem for every name that is declared nowhere."""
    for reference in references:
        kind = Kind.MAIL if reference.kind is Kind.TEAM_MAIL else reference.kind
        names = known.get(kind)
        if names is not None and reference.name not in names:
            yield _unknown(kind, reference.name, reference.place, names, locale)


def _unknown(kind: Kind, name: str, place: Place, names: Collection[str], locale: str) -> Problem:
    meant = nearest(name, names)
    message = f"there is no {kind} '{name}'"
    fix = f"Write: {meant}" if meant else _declare(kind, name, names, locale)
    return Problem(f"unknown-{kind.replace(' ', '-')}", place.file, place.line, place.column, message, fix)


def _declare(kind: Kind, name: str, names: Collection[str], locale: str) -> str:
    if kind is Kind.MAIL:
        return f"Create email_templates/{name}.{locale or 'en'}.md"
    if kind in _DECLARE:
        return f"Create {_DECLARE[kind].format(name)}"
    if kind in _IN_SITE:
        return (
            f"Declare it under `{_IN_SITE[kind]}` in campaigns/site.yaml; there are: {listed(sorted(names)) or 'none'}"
        )
    if kind in _IN_LADDER:
        return f"`{_IN_LADDER[kind]}` of campaigns/ladder.yaml has: {listed(names) or 'none'}"
    return f"There are: {listed(sorted(names))}"


def wrong_locales(texts: Iterable[Spoken], locales: tuple[str, ...]) -> Iterator[Problem]:
    """Texts in a language the site does not have, and texts that lack one it has."""
    for spoken in texts:
        for locale, place in zip(spoken.locales, spoken.places, strict=True):
            if locale not in locales:
                meant = nearest(locale, locales)
                fix = f"Write: {meant}" if meant else f"The site's locales are: {listed(locales)}"
                message = f"the site has no locale '{locale}'"
                yield Problem("unknown-locale", place.file, place.line, place.column, message, fix)
        lacking = [locale for locale in locales if locale not in spoken.locales]
        if lacking and all(locale in locales for locale in spoken.locales):
            place, message = spoken.place, f"this text is missing in {listed(lacking)}"
            fix = f'Add: {lacking[0]}: "…"'
            yield Problem("missing-text", place.file, place.line, place.column, message, fix, "warning")
