# ruff: noqa: E501 - a template reads best on one line
"""Mails in MJML: what the compiler makes of them is a mail like any other, and faults have the author's own places."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.core.problem import Problem
from app.mail.compare import first_difference
from app.mail.compiled import CompiledMail, Refused
from app.mail.message import Message, render
from app.mail.names import VariableNames, check_mail, links_of, variables_of
from app.mail.publish import PublishOptions, compile_mail, uninlined
from app.mail.source import Layouts
from tests.mail.mailing import LAYOUTS, OPTIONS, ROOT, alice, context, source

MJML = Layouts({**LAYOUTS.texts, "layouts/base.mjml": (ROOT / "email_templates/layouts/base.mjml").read_text("utf-8")})
ORDER = """{% extends "layouts/base.mjml" %}
{% block body %}
<mj-section><mj-column>
<mj-text mj-class="title">Hello {{ subscriber.first_name }}</mj-text>
<mj-text><p>A crate & <a href="https://example.com/a?x=1&amp;y=2" data-link="read">a letter</a>, x < 3.<br>Bye</p>{% if subscriber.vip %}<p>Very important.</p>{% endif %}</mj-text>
<mj-button href="https://example.com/buy" data-link="buy" data-topic="herbs">Order</mj-button>
<mj-button href="https://example.com/quiet" data-track="off">Quiet</mj-button>
</mj-column></mj-section>
{% for i in event["items"] %}
<mj-section><mj-column width="30%"><mj-text>{{ i.n }}</mj-text></mj-column><mj-column width="70%"><mj-text>{{ i.name }}</mj-text></mj-column></mj-section>
{% endfor %}
<mj-section>{% if subscriber.vip %}<mj-column><mj-text>Left</mj-text></mj-column>{% endif %}<mj-column><mj-table><tr><th>Item</th><th>N</th></tr>{% for i in event["items"] %}<tr><td>{{ i.name }}</td><td>{{ i.n }}</td></tr>{% endfor %}</mj-table>
{% if subscriber.vip %}<mj-image src="https://example.com/p.png" alt="A crate" width="280px" href="{{ event["url"] }}" data-link="pic" />{% endif %}
</mj-column></mj-section>
{% endblock %}"""


def compiled(body: str, locale: str = "en", options: PublishOptions = OPTIONS) -> CompiledMail:
    made = compile_mail(source(body, locale, ending="mjml"), MJML, options)
    assert isinstance(made, CompiledMail), made
    return made


def written(body: str, locale: str = "en", **reader: object) -> Message:
    return render(compiled(body, locale), alice(locale, **reader), context(locale))


def fault(body: str) -> Problem:
    made = compile_mail(source(body, ending="mjml"), MJML, OPTIONS)
    assert isinstance(made, Refused), made
    return made.problems[0]


def document(inner: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


def test_an_mjml_mail_is_inlined_once_and_keeps_texts_conditions_and_loops() -> None:
    mail = compiled(ORDER)
    assert mail.is_inlined
    assert mail.findings == ()
    text = written(ORDER).text
    assert "Hello Alice" in text
    assert "Very important." in text
    assert "x < 3." in text
    assert "2\napples\n3\npears\n" in text  # columns stand below each other
    assert "Item · N\napples · 2\npears · 3\n" in text  # rows of a table do not
    plain = written(ORDER, vip=False)
    assert "Very important." not in plain.text
    assert "A crate" not in plain.html.partition("<body")[2].replace("A crate &amp;", "").replace("A crate & ", "")


def test_links_are_named_counted_exempt_and_personal_as_in_any_mail() -> None:
    mail = compiled(ORDER)
    assert [(link.name, link.topic, link.url) for link in mail.links] == [
        ("read", "", "https://example.com/a?x=1&y=2"),
        ("buy", "herbs", "https://example.com/buy"),
        ("pic", "", None),
    ]
    html = written(ORDER).html
    assert 'href="https://example.com/quiet"' in html
    assert "data-link" not in html
    assert "data-topic" not in html
    assert links_of(source(ORDER, ending="mjml"), MJML).names == ("buy", "pic", "read")
    assert "event.items" in variables_of(source(ORDER, ending="mjml"), MJML)


@pytest.mark.parametrize("reader", [{}, {"vip": False}, {"first_name": "<b>&\"'"}], ids=["all", "less", "markup"])
@pytest.mark.parametrize("locale", ["en", "fa"])
def test_inlining_mjml_once_draws_what_inlining_for_each_reader_draws(
    locale: str, reader: Mapping[str, object]
) -> None:
    mail = compiled(ORDER, locale)
    plain = uninlined(source(ORDER, locale, ending="mjml"), MJML, OPTIONS)
    slow = replace(mail, html=plain, is_inlined=False).sealed()
    unseen = context(locale, tracking=None)
    person = alice(locale, **reader)
    assert first_difference(render(slow, person, unseen).html, render(mail, person, unseen).html) == ""


@pytest.mark.parametrize(("locale", "way", "side"), [("en", "ltr", "left"), ("fa", "rtl", "right")])
def test_every_box_of_an_mjml_mail_says_its_direction(locale: str, way: str, side: str) -> None:
    html = written(ORDER, locale).html
    assert f'<html lang="{locale}" dir="{way}"' in html
    boxes = [tag for tag in html.split("<") if tag.startswith(("table", "td", "th ", "th>", "body"))]
    assert len(boxes) > 30
    assert [tag for tag in boxes if f' dir="{way}"' not in tag.partition(">")[0]] == []
    assert f"text-align:{side}" in html
    if locale == "fa":
        assert "direction:ltr" not in html
        assert "line-height:1.95" in html


def test_no_web_font_is_ever_asked_for() -> None:
    html = written(
        document("<mj-text>Hi {{ site.postal_address }} <a href='{{ links.unsubscribe }}'>leave</a></mj-text>")
    ).html
    assert "fonts.googleapis" not in html
    assert "@import" not in html
    assert "Ubuntu" not in html


def test_what_only_outlook_reads_stays_balanced_when_a_section_is_left_out() -> None:
    body = """{% extends "layouts/base.mjml" %}{% block body %}{% if subscriber.vip %}<mj-section><mj-column><mj-text>VIP</mj-text></mj-column></mj-section>{% endif %}
<mj-section><mj-column><mj-text>All</mj-text></mj-column></mj-section>{% if not subscriber.vip %}<mj-section><mj-column><mj-text>Rest</mj-text></mj-column></mj-section>{% endif %}{% endblock %}"""
    for vip in (True, False):
        html = written(body, vip=vip).html
        hidden = "".join(part.partition("<![endif]-->")[0] for part in html.split("<!--[if mso | IE]>")[1:])
        for tag in ("table", "tr", "td"):
            assert hidden.count(f"<{tag}") == hidden.count(f"</{tag}>"), (vip, tag)
        assert html.count("<!--[if") == html.count("<![endif]-->")
        assert ("VIP" in html, "Rest" in html) == (vip, not vip)


@pytest.mark.parametrize(
    ("body", "code", "line", "column", "fix"),
    [
        ("<p>Hello</p>", "mjml-structure", 5, 1, "begin with <mjml>"),
        ("<mjml>\n<mj-body>\n <mj-sektion></mj-sektion></mj-body></mjml>", "mjml-structure", 7, 2, "mj-section"),
        ("<mjml><mj-body><mj-column></mj-column></mj-body></mjml>", "mjml-structure", 5, 16, "mj-section"),
        (document("\n<p>x</p>"), "mjml-structure", 6, 1, "<mj-text>"),
        (document("\nx"), "mjml-structure", 5, 28, "<mj-text>"),
        (document("\n<mj-text>x"), "mjml-structure", 6, 1, "</mj-text>"),
        ("<mjml><mj-body>\n<mj-section></mj-body></mjml>", "mjml-structure", 6, 1, "</mj-section>"),
        ("<mjml><mj-body>", "mjml-structure", 5, 7, "</mj-body>"),
        (document('\n<mj-text colour="red">x</mj-text>'), "mjml-attribute", 6, 1, "`color`"),
        (document("\n<mj-text {% if site.slogan %}color='red'{% endif %}>x</mj-text>"), "mjml-attribute", 6, 1, "around whole"),
        (document('\n<mj-image src="https://example.com/a.png" width="{{ offer.left }}px"/>'), "mjml-attribute", 6, 1, "fixed"),
        ('<mjml><mj-body>\n<mj-section background-url="images/a.png"></mj-section></mj-body></mjml>', "mjml-attribute", 6, 1, "https"),
        (document("\n<mj-social>{% if site.slogan %}<mj-social-element name='x'>X</mj-social-element>{% endif %}</mj-social>"), "mjml-structure", 6, 12, "around"),
        (document("\n<mj-text>{{ site.name }</mj-text>"), "template-syntax", 6, 23, "close"),
    ],
)  # fmt: skip
def test_a_fault_is_found_at_its_place_with_what_to_write(
    body: str, code: str, line: int, column: int, fix: str
) -> None:
    found = fault(body)
    assert (found.code, found.line, found.column) == (code, line, column), str(found)
    assert found.file == "mail.en.mjml"
    assert fix in found.fix


def test_a_missing_name_and_a_bad_link_are_found_at_the_places_of_the_author() -> None:
    body = document("\n<mj-text>Hi\n {{ subscriber.nam }}</mj-text>")
    found = check_mail(source(body, ending="mjml"), MJML, VariableNames(frozenset({"subscriber.name"})))
    assert [(each.code, each.line, each.column) for each in found] == [("unknown-variable", 7, 5)]
    relative = fault(document('\n<mj-button href="/buy">Buy</mj-button>'))
    assert (relative.code, relative.line) == ("link-relative", 6)


def test_without_the_compiler_the_finding_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mjml", None)  # what Python keeps for a module that cannot be imported
    found = fault(document("<mj-text>x</mj-text>"))
    assert found.code == "mjml-not-installed"
    assert found.fix == "pip install parvar[mjml]"


def test_the_sites_content_stands_in_mjml_texts() -> None:
    body = document(
        "<mj-text>{{ coupon(offer.code, text='For you') }}{{ quote('Fresh', by='Nasrin') }}</mj-text><mj-text>{{ site.postal_address }} <a href='{{ links.unsubscribe }}'>x</a></mj-text>"
    )
    html = written(body).html
    assert "SP-4F2K" in html
    assert "Nasrin" in html
