# ruff: noqa: E501 - a template reads best on one line
"""What an author writes: heads, Markdown, components, layouts; and what the checks say, with its place."""

from __future__ import annotations

import pytest

from app.core.problem import Problem
from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.message import render
from app.mail.names import VariableNames, check_mail, differing_twins, links_of
from app.mail.publish import PublishOptions, compile_mail
from app.mail.source import Layouts, SourceText, direction, read_mail, read_mails
from app.mail.values import Money
from tests.mail.mailing import LAYOUTS, OPTIONS, alice, compiled, context, page, refused, source

NAMES = VariableNames(
    frozenset(
        {
            "subscriber.first_name",
            "subscriber.note",
            "site.name",
            "site.slogan",
            "site.url",
            "site.postal_address",
            "links.unsubscribe",
        }
        | {"links.preferences", "links.view", "links.magnet()", "offer.code", "event.*"}
    )
)


def read(head: str) -> tuple[Problem, ...]:
    return read_mail(SourceText("a/b", "en", "b.en.md", f"---\n{head}\n---\nHello"))[1]


# The head.


def test_a_head_says_subjects_preheader_and_kind() -> None:
    mail, problems = read_mail(
        SourceText(
            "a/b",
            "fa",
            "b.fa.md",
            "---\nsubject: کتابتان آماده است\nsubjects: {bold: \"فقط یک لینک، تا کتاب\", plain: دو}\npreheader: 'it''s here'   # why\n"
            "service: true\ntopic: herbs\nattachments: [a.pdf, b.ics]\nallow:\n  - subject-long\n---\nسلام\n",
        )
    )
    assert problems == ()
    assert mail.front.subject is not None
    assert mail.front.subject.text == "کتابتان آماده است"
    assert [(name, text.text) for name, text in mail.front.subjects] == [
        ("bold", "فقط یک لینک، تا کتاب"),
        ("plain", "دو"),
    ]
    assert mail.front.preheader is not None
    assert mail.front.preheader.text == "it's here"
    assert mail.is_service
    assert mail.front.topic == "herbs"
    assert [item.text for item in mail.front.attachments] == ["a.pdf", "b.ics"]
    assert [item.text for item in mail.front.allow] == ["subject-long"]
    assert mail.body == "سلام\n"
    assert mail.direction == "rtl"
    assert mail.subject_variants == ("bold", "plain")


@pytest.mark.parametrize(
    ("head", "code", "line", "column"),
    [
        ("subjct: x", "unknown-key", 2, 1),
        ("subject: x\nsubject: y", "duplicate-key", 3, 1),
        ("subject: x\n\tservice: true", "front-matter-tab", 3, 1),
        ("subject: x\nservice: yes", "front-matter-type", 3, 1),
        ('subject: "open', "front-matter-quote", 2, 10),
        ("subject: a: b", "front-matter-quote", 2, 10),
        ("subject: x\nsubjects: {bold: y", "front-matter-line", 3, 11),
        ("subject: x\n  more: z", "front-matter-line", 3, 1),
        ("subject: x\nlayout: ../../etc", "front-matter-name", 3, 9),
        ("preheader: x", "subject-missing", 1, 1),
        ("subject: &a x", "front-matter-quote", 2, 10),
        ("subject: [a]", "front-matter-type", 2, 1),
    ],
)
def test_a_faulty_head_is_found_at_its_place(head: str, code: str, line: int, column: int) -> None:
    (problem, *_) = read(head)
    assert (problem.code, problem.line) == (code, line)
    assert column in (problem.column, 1)
    assert problem.fix


def test_the_nearest_key_is_offered() -> None:
    assert "did you mean `subject`?" in read("subjct: x")[0].fix


def test_sources_are_found_by_mail_and_locale() -> None:
    texts = [SourceText("a", locale, f"a.{locale}.md", "---\nsubject: x\n---\ny") for locale in ("fa", "en")]
    mails = read_mails([*texts, SourceText("b", "en", "b.en.md", "no head")], LAYOUTS)
    assert [mail.locale for mail in mails.twins("a")] == ["en", "fa"]
    assert [problem.file for problem in mails.problems] == ["b.en.md"]
    assert direction("fa-IR") == "rtl"
    assert direction("en-GB") == "ltr"


# Markdown.


def test_a_button_alone_becomes_a_table_and_one_in_a_sentence_stays_a_link() -> None:
    html = compiled("[Go](https://example.com/){.button name=go}\n\nor [go](https://example.com/b){.button} now").html
    assert '<table class="pv-button"' in html
    assert html.count('class="pv-button-link"') == 1
    assert html.count('class="pv-button-inline"') == 1


def test_expressions_pass_through_markdown_untouched() -> None:
    mail = compiled(
        "**{{ subscriber.first_name }}** _{{ 'a_b_c*d*' }}_ `{{ offer.code }}`\n\n| a |\n|---|\n| {{ offer.left }} |"
    )
    html = render(mail, alice(), context()).html
    assert "<strong>Alice</strong>" in html
    assert "a_b_c*d*" in html
    assert ">12</td>" in html


def test_a_loop_around_list_items_makes_one_list() -> None:
    mail = compiled("Buy:\n\n{% for i in event['items'] %}\n- {{ i.name }}\n{% endfor %}\n\nBye")
    made = render(mail, alice(), context())
    assert made.html.count("<ul") == 1
    assert made.html.count("<li") == 2
    assert "Buy:\n\n- apples\n- pears\n\nBye" in made.text


def test_a_condition_on_its_own_lines_holds_whole_paragraphs() -> None:
    mail = compiled("One\n\n{% if subscriber.vip %}\nTwo\n{% endif %}\n\nThree")
    assert "One\n\nTwo\n\nThree" in render(mail, alice(), context()).text
    assert "One\n\nThree" in render(mail, alice(vip=False), context()).text


def test_columns_hold_markdown() -> None:
    html = compiled("{% columns %}\n**a**\n{% column %}\n- b\n{% endcolumns %}").html
    assert html.count('width="50%"') == 2
    assert "<strong>a</strong>" in html
    assert "<li" in html


def test_components_take_constants_and_expressions() -> None:
    mail = compiled(
        '{{ coupon(offer.code, text="For <you>", ends=offer.ends) }}\n\n{{ quote("Good", by="Nasrin") }}\n\n{{ divider() }}\n\n{{ card("Basket", price=offer.price, href="https://example.com/b", link="basket") }}\n\n{{ image("https://example.com/a.png", "A", 300) }}'
    )
    made = render(mail, alice(), context())
    assert "For &lt;you&gt;" in made.html
    assert '<bdi dir="ltr">SP-4F2K</bdi>' in made.html
    assert mail.link_names == ("basket",)
    assert "1,850,000\xa0toman" in made.text


def test_the_sites_own_content_is_laid_out_when_published() -> None:
    content = {
        "box": {
            "kind": "product",
            "name": "Mixed",
            "price": Money(100, "IRR"),
            "url": "https://example.com/box",
            "text": "Ten kinds",
        },
        "nasrin": {"kind": "testimonial", "quote": "Good", "author": "Nasrin", "about": "Shiraz"},
    }
    options = PublishOptions(facts=SiteFacts("https://example.com", content))  # type: ignore[arg-type]
    mail = compile_mail(source("{{ product('box', link='box') }}\n\n{{ testimonial('nasrin') }}"), LAYOUTS, options)
    assert isinstance(mail, CompiledMail)
    assert [(link.name, link.url) for link in mail.links] == [("box", "https://example.com/box")]
    text = render(mail, alice(), context()).text
    assert "Mixed\n\nTen kinds\n\n100\xa0rials" in text
    assert "Good\n\nNasrin · Shiraz" in text
    for body, code in (("{{ product('nobody') }}", "content-missing"), ("{{ product('nasrin') }}", "content-kind")):
        other = compile_mail(source(body), LAYOUTS, options)
        assert isinstance(other, Refused)
        assert [problem.code for problem in other.problems] == [code]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{{ button('x') }}", "component-argument"),
        ("{{ button('x', 'https://example.com', colour='red') }}", "component-argument"),
        ("{% columns %}a", "columns"),
        ("{% endcolumns %}", "columns"),
        ("{% import 'x' as y %}", "template-statement"),
        ("{% include 'layouts/none.html' %}", "layout-missing"),
        ("{{ open", "template-syntax"),
        ("{{ 1 + }}", "template-syntax"),
        ("{% if x %}never closed", "template-syntax"),
        ("{{ x|nofilter }}", "template-syntax"),
    ],
)
def test_a_faulty_body_is_refused(body: str, code: str) -> None:
    assert code in refused(body)


def test_layouts_extend_each_other_and_blocks_keep_their_parents() -> None:
    layouts = Layouts(
        {
            "layouts/base.html": page("{% block head %}<h1>Base</h1>{% endblock %}{% block body %}{% endblock %}"),
            "layouts/news.html": '{% extends "layouts/base.html" %}{% block head %}{{ super() }}<h2>News</h2>{% endblock %}',
            "layouts/part.html": "<p>part</p>",
        }
    )
    body = '{% extends "layouts/news.html" %}{% block body %}{% include "layouts/part.html" %}<p>x</p>{% endblock %}'
    mail = compile_mail(source(body, ending="html"), layouts, OPTIONS)
    assert isinstance(mail, CompiledMail)
    assert "<h1>Base</h1><h2>News</h2><p>part</p><p>x</p>" in mail.html


def test_a_layout_without_the_block_a_mail_fills_is_refused_before_everybody_gets_an_empty_mail() -> None:
    layouts = Layouts({"layouts/base.html": page("{% block top %}{% endblock %}{% block content %}{% endblock %}")})
    mail = compile_mail(source("Hello"), layouts, OPTIONS)
    assert isinstance(mail, Refused)
    assert [(found.code, found.line, found.fix) for found in mail.problems] == [
        ("block-unknown", 5, "the layout's blocks are: content, top")
    ]


def test_a_block_within_a_block_can_be_filled_too() -> None:
    layouts = Layouts(
        {"layouts/base.html": page("{% block body %}<b>{% block name %}{% endblock %}</b>{% endblock %}")}
    )
    body = '{% extends "layouts/base.html" %}{% block name %}Sara{% endblock %}'
    mail = compile_mail(source(body, ending="html"), layouts, OPTIONS)
    assert isinstance(mail, CompiledMail)
    assert "<b>Sara</b>" in mail.html


def test_layouts_that_extend_each_other_in_a_circle_are_refused() -> None:
    layouts = Layouts({"layouts/base.html": '{% extends "layouts/base.html" %}'})
    mail = compile_mail(source("x"), layouts, OPTIONS)
    assert isinstance(mail, Refused)
    assert mail.problems[0].code == "layout-loop"


# Names.


@pytest.mark.parametrize(
    ("body", "path", "line", "column", "hint"),
    [
        ("Hello\n\n{{ subscriber.frist_name }}", "subscriber.frist_name", 7, 4, "subscriber.first_name"),
        ("{{ offfer.code }}", "offfer.code", 5, 4, "offer.code"),
        (
            "a {% if subscriber.vipp %}b{% endif %}",
            "subscriber.vipp",
            5,
            9,
            "known here: subscriber.first_name, subscriber.note",
        ),
        ("{{ 'a' ~ links.magnets('x') }}", "links.magnets()", 5, 10, "links.magnet()"),
        ("[x](https://example.com/{{ who }})", "who", 5, 28, ""),
    ],
)
def test_an_unknown_name_is_found_at_its_place_with_the_nearest_known_one(
    body: str, path: str, line: int, column: int, hint: str
) -> None:
    (problem,) = check_mail(source(body), LAYOUTS, NAMES)
    assert problem.code == "unknown-variable"
    assert f"`{path}`" in problem.message
    assert (problem.file, problem.line, problem.column) == ("mail.en.md", line, column)
    assert hint in problem.fix


def test_names_in_subjects_are_checked_too() -> None:
    (problem,) = check_mail(source("x", head='subject: "Hi {{ nobody }}"\npreheader: x'), LAYOUTS, NAMES)
    assert (problem.line, problem.column) == (2, 17)


@pytest.mark.parametrize(
    "body",
    [
        "{{ subscriber.first_name.strip() }}",
        "{% for i in event.goods %}{{ i.name }}{{ loop.index }}{% endfor %}",
        "{% set a = offer.code %}{{ a }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1) }}",
        "{{ event['anything'] }} {{ lang }} {{ links.magnet('a') }}",
        "{{ subscriber.note or 'none' }}",
    ],
)
def test_known_and_own_names_pass(body: str) -> None:
    assert check_mail(source(body), LAYOUTS, NAMES) == ()


def test_a_mail_of_two_campaigns_may_use_what_both_provide() -> None:
    one, other = VariableNames(frozenset({"a.x", "b.y"})), VariableNames(frozenset({"a.x", "c.z"}))
    assert (one & other).paths == {"a.x"}
    assert (one | other).knows("c.z")


def test_conditions_may_ask_which_links_and_topics_a_mail_has() -> None:
    mail = source(
        "[a](https://example.com/){name=read topic=herbs} [b]({{ event.url }}){name=back} [c](https://example.com/x){track=off name=no}"
    )
    found = links_of(mail, LAYOUTS)
    assert found.names == ("back", "read")
    assert found.topics == ("herbs",)


def test_twins_that_name_different_links_are_told() -> None:
    english = source("[a](https://example.com/){name=read}", head='subject: x\nsubjects: {bold: "y"}')
    persian = source("[a](https://example.com/)", "fa", "subject: x")
    codes = [(problem.code, problem.file) for problem in differing_twins([english, persian], LAYOUTS)]
    assert codes == [("twin-link", "mail.fa.md"), ("twin-subject", "mail.fa.md")]
    assert differing_twins([english, english], LAYOUTS) == ()
