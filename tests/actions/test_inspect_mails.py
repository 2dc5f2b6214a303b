"""Campaigns and mails read together: each fault is told once, where it can be mended."""

from __future__ import annotations

from datetime import date

import pytest

from app.actions.inspect import inspect
from app.core.problem import Problem
from tests.actions.small_site import LAYOUT, SITE, sources_of

EVENTS = "events:\n  carted: {key: cart_id, fields: {total: money, url: link}}\n  asked: {fields: {topic: text}}\n"
OFFER = "offer: spring\ntitle: Spring\ngives: {percent: 10%}\ncodes: {shared: SPRING}\n"
SURVEY = "survey: nps\nquestion: How likely?\nscale: 0-10\n"
CAMPAIGN = (
    'campaign: {key}\ntitle: A\nstate: live\nenter: {enter}\ngoal: "bought()"\nsequences:\n  any:\n    - {step}\n'
)
MAIL = "---\nsubject: Mail\npreheader: A line\n---\nHello, {said} [on](https://example.com/read)\n"


def told(said: str, *campaigns: tuple[str, str], utm: str = "", allow: str = "") -> list[Problem]:
    """The errors of a site whose mail `a` says this, sent by these steps, each with its entry."""
    texts = {
        f"c{number}": CAMPAIGN.format(key=f"c{number}", enter=enter, step=step)
        for number, (enter, step) in enumerate(campaigns)
    }
    site = SITE.replace("events:\n  asked: {}\n", EVENTS) + utm + allow
    sources = sources_of(texts, site) | {"campaigns/offers/spring.yaml": OFFER, "campaigns/surveys/nps.yaml": SURVEY}
    mails = {"email_templates/a.md": MAIL.format(said=said), "email_templates/layouts/base.html": LAYOUT}
    return [problem for problem in inspect(sources | mails, date(2026, 11, 1)).problems if problem.is_error]


def codes(said: str, *campaigns: tuple[str, str]) -> list[tuple[str, str]]:
    return [(problem.code, problem.file.rpartition("/")[2]) for problem in told(said, *campaigns)]


BOX, CARTED, ASKED = "{box: book}", "{on: carted}", "{on: asked}"
PLAIN, GIVES = "send: a", "{send: a, offer: spring}"


@pytest.mark.parametrize(
    ("said", "campaigns", "expected"),
    [
        ("{{ offer.code }}", [(BOX, PLAIN)], [("mail-needs-offer", "c0.yaml")]),
        ("{{ offer.code }}", [(BOX, GIVES)], []),
        ("{{ offer.code }}", [(BOX, GIVES), (CARTED, PLAIN)], [("mail-needs-offer", "c1.yaml")]),
        ("{{ offer.cod }}", [(BOX, GIVES)], [("unknown-variable", "a.md")]),
        ("{{ offer.left }}", [(BOX, GIVES)], [("offer-lacks", "a.md")]),
        ("{{ survey('nps') }}", [(BOX, PLAIN)], [("mail-needs-ask", "c0.yaml")]),
        ("{{ event.total }}", [(BOX, PLAIN)], [("mail-needs-event", "c0.yaml")]),
        ("{{ event.total }}", [(CARTED, PLAIN)], []),
        ("{{ event.cart_id }}", [(CARTED, PLAIN)], []),
        ("{{ event.totla }}", [(CARTED, PLAIN)], [("unknown-variable", "a.md")]),
        ("{{ event.total }}", [(CARTED, PLAIN), (ASKED, PLAIN)], [("mail-needs-event", "c1.yaml")]),
        ("{{ event.total }}", [(CARTED, PLAIN), ("{on: order}", PLAIN)], []),
        ("{{ event.url }}", [(CARTED, PLAIN), ("{on: order}", PLAIN)], [("mail-needs-event", "c1.yaml")]),
        ("{{ event.total }}", [("[{on: carted}, {box: book}]", PLAIN)], [("mail-needs-event", "c0.yaml")]),
        ("{{ event.total }} {{ offer.code }}", [(CARTED, PLAIN)], [("mail-needs-offer", "c0.yaml")]),
    ],
)
def test_what_a_mail_shows_and_not_every_step_provides_is_told_once(
    said: str, campaigns: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert codes(said, *campaigns) == expected


def test_a_misspelt_field_is_told_with_its_place_and_the_nearest_name() -> None:
    (problem,) = told("{{ event.totla }}", (CARTED, PLAIN))
    assert (problem.line, problem.column) == (5, 11)
    assert problem.fix == "did you mean `event.total`?"


def test_the_languages_of_one_mail_share_one_finding() -> None:
    site = SITE.replace("locales: [en]", "locales: [en, fa]").replace("events:\n  asked: {}\n", EVENTS)
    sources = sources_of({"c0": CAMPAIGN.format(key="c0", enter=BOX, step=PLAIN)}, site)
    del sources["email_templates/a.md"]
    twins = {f"email_templates/a.{locale}.md": MAIL.format(said="{{ event.total }}") for locale in ("en", "fa")}
    twins["email_templates/layouts/base.html"] = LAYOUT
    found = [p.code for p in inspect(sources | twins, date(2026, 11, 1)).problems if p.code == "mail-needs-event"]
    assert found == ["mail-needs-event"]


# ── Parameters of links ──────────────────────────────────────────────────────────────────────────────────────────────


def links(utm: str, said: str = "") -> list[str | None]:
    mails = {"email_templates/a.md": MAIL.format(said=said), "email_templates/layouts/base.html": LAYOUT}
    sources = sources_of({}, SITE + utm) | mails
    return [link.url for link in inspect(sources, date(2026, 11, 1)).mails["a", ""].links]


@pytest.mark.parametrize(
    ("utm", "said", "expected"),
    [
        ("", "", ["https://example.com/read"]),
        ("utm: {source: parvar}", "", ["https://example.com/read?utm_source=parvar&utm_medium=email&utm_campaign=a"]),
        (
            "utm: {source: parvar, medium: mail, campaign: autumn}",
            "[x](https://example.com/b?q=1#end){name=buy}",
            [
                "https://example.com/b?q=1&utm_source=parvar&utm_medium=mail&utm_campaign=autumn&utm_content=buy#end",
                "https://example.com/read?utm_source=parvar&utm_medium=mail&utm_campaign=autumn",
            ],
        ),
        (
            "utm: {source: parvar}",
            "[x](https://elsewhere.example/) [y](https://shop.example.com/?utm_source=mine)",
            [
                "https://elsewhere.example/",
                "https://shop.example.com/?utm_source=mine&utm_medium=email&utm_campaign=a",
                "https://example.com/read?utm_source=parvar&utm_medium=email&utm_campaign=a",
            ],
        ),
        (
            "utm: {source: parvar, hosts: [elsewhere.example]}",
            "[x](https://elsewhere.example/)",
            [
                "https://elsewhere.example/?utm_source=parvar&utm_medium=email&utm_campaign=a",
                "https://example.com/read",
            ],
        ),
    ],
)
def test_links_get_the_parameters_the_site_decided_on(utm: str, said: str, expected: list[str]) -> None:
    assert links(utm, said) == expected


@pytest.mark.parametrize(
    ("utm", "code"),
    [
        ("utm: {medium: email}", "missing-key"),
        ('utm: {source: "{mial}"}', "bad-value"),
        ("utm: {source: a&b}", "bad-value"),
        ("utm: {source: a, hosts: [https://example.com]}", "bad-value"),
        ("utm: {sorce: a}", "unknown-key"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(utm: str, code: str) -> None:
    assert code in [problem.code for problem in inspect(sources_of({}, SITE + utm), date(2026, 11, 1)).problems]
