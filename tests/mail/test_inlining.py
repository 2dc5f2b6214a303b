# ruff: noqa: E501 - a template reads best on one line
"""Styles are written once for all readers, and the mail is the same as if they were written for each."""

from __future__ import annotations

import socket

import pytest

from app.mail.compare import first_difference
from app.mail.compiled import CompiledMail
from app.mail.inline import inline
from app.mail.message import render as render_message
from app.mail.message import unpacked
from app.mail.publish import compile_mail, uninlined
from app.mail.templates import environment
from tests.mail import mailing
from tests.mail.letters_to_inline import LETTERS
from tests.mail.mailing import LAYOUTS, OPTIONS, alice, compiled, page, source
from tests.mail.templates_to_inline import DEPENDENT
from tests.mail.templates_to_inline import TEMPLATES as PIECES

TEMPLATES = {**PIECES, **LETTERS}
READERS = (
    {"first_name": "Alice", "vip": True},
    {"first_name": "<b>Bob & Co</b>", "vip": False},
    {"first_name": "سارا", "vip": True},
)


def rendered_slowly(body: str, style: str, locale: str, reader: dict[str, object]) -> str:
    """What a reader would get if everything were rendered first and inlined afterwards."""
    mail = source(page(body, style, locale), locale, ending="html")
    template = environment(locale).from_string(uninlined(mail, LAYOUTS, OPTIONS))
    made = compiled(page(body, style, locale), locale, ending="html")
    variables = unpacked(made, is_counted=False).variables(
        alice(locale, **reader), mailing.context(locale, tracking=None)
    )
    return inline(template.render(variables))


@pytest.mark.parametrize("reader", READERS, ids=["alice", "markup in the name", "persian"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_inlining_once_draws_the_same_mail_as_inlining_for_each_reader(name: str, reader: dict[str, object]) -> None:
    body, style, locale = TEMPLATES[name]
    made = compiled(page(body, style, locale), locale, ending="html")
    assert made.is_inlined, made.findings
    fast = render_message(made, alice(locale, **reader), mailing.context(locale, tracking=None)).html
    assert first_difference(rendered_slowly(body, style, locale, reader), fast) == ""


def test_there_are_at_least_forty_templates() -> None:
    assert len(TEMPLATES) >= 40
    for feature in ("{% for", "{% if", "<!--[if mso]>", "<v:", "prefers-color-scheme", "max-width", 'dir="rtl"'):
        assert sum(feature in f"{body}{style}".replace("'", '"') for body, style, _ in TEMPLATES.values()) >= 3, feature
    assert sum(locale == "fa" for _, _, locale in TEMPLATES.values()) >= 10


@pytest.mark.parametrize("name", DEPENDENT)
def test_a_structure_that_depends_on_the_reader_is_noticed_and_inlined_for_each(name: str) -> None:
    body, style = DEPENDENT[name]
    made = compiled(page(body, style), ending="html")
    assert not made.is_inlined
    assert "inlined-per-reader" in [finding.code for finding in made.findings]
    html = render_message(made, alice(), mailing.context()).html
    assert "style=" in html


def test_a_class_from_data_gets_its_rule_for_each_reader() -> None:
    body, style = DEPENDENT["a class from data"]
    made = compiled(page(body, style), ending="html")
    assert 'style="margin:0; color:red"' in render_message(made, alice(), mailing.context()).html
    assert "color:red" not in render_message(made, alice(first_name="Bob"), mailing.context()).html.split("</style>")[1]


def test_inlining_never_reaches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    html = inline(
        '<html><head><link rel="stylesheet" href="http://192.0.2.1/a.css"><style>@import url("http://192.0.2.1/b.css");'
        "@import 'http://192.0.2.1/c.css'; p{color:red}</style></head><body><p>x</p></body></html>"
    )
    assert "192.0.2.1" not in html
    assert '<p style="color:red">' in html


@pytest.mark.parametrize(
    "doctype",
    [
        "<!doctype html>",
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">',
    ],
)
def test_the_doctype_stays_as_it_was_written(doctype: str) -> None:
    assert inline(f"{doctype}\n<html><body><p>x</p></body></html>").startswith(doctype)


@pytest.mark.parametrize(
    "name",
    ["dark mode", "columns that fold on a phone", "client hacks", "a font face and keyframes", "a supports block"],
)
def test_what_cannot_be_inlined_stays_in_the_head(name: str) -> None:
    body, style, locale = TEMPLATES[name]
    html = compiled(page(body, style, locale), locale, ending="html").html
    for kept in {
        "dark mode": ["prefers-color-scheme: dark", "background-color:#111!important", "[data-ogsc] .card"],
        "columns that fold on a phone": ["max-width:480px", "display:block!important"],
        "client hacks": [".ExternalClass", "#outlook a", "u + #body .x", "* [lang=x-wrapper]"],
        "a font face and keyframes": ["@font-face", "@keyframes k"],
        "a supports block": ["@supports (display:grid)"],
    }[name]:
        assert kept in html


def test_values_the_old_parser_lost_are_written_as_they_stand() -> None:
    html = inline(
        '<html><head><style>.x{color:rgb(0 0 0 / 50%);width:calc(100% - 8px)}</style></head><body><p class="x">a</p></body></html>'
    )
    assert 'style="color:rgb(0 0 0 / 50%); width:calc(100% - 8px)"' in html
    assert 'width="' not in html


def test_an_important_rule_wins_over_the_style_of_an_element() -> None:
    html = inline(
        '<html><head><style>p{color:red!important}</style></head><body><p style="color:blue">a</p></body></html>'
    )
    assert 'style="color:red !important; color:blue"' in html  # in one attribute importance decides, not order


def test_old_programs_get_attributes_but_never_over_the_authors() -> None:
    html = inline(
        '<html><head><style>td{background-color:#abc;text-align:right;width:80px}</style></head><body><table><tr><td width="10">a</td></tr></table></body></html>'
    )
    assert 'bgcolor="#aabbcc"' in html
    assert 'align="right"' in html
    assert 'width="10"' in html


def test_vml_and_mso_comments_are_left_intact() -> None:
    body, style, locale = TEMPLATES["a VML button"]
    html = render_message(compiled(page(body, style, locale), locale, ending="html"), alice(), mailing.context()).html
    assert "<!--[if mso]><v:roundrect xmlns:v=" in html
    assert 'arcsize="10%"' in html
    assert "<w:anchorlock/>" in html
    assert "<!--[if !mso]><!-->" in html
    assert "<!--<![endif]-->" in html


def test_the_bare_conditional_becomes_the_form_that_survives_parsers() -> None:
    html = compiled(page("<![if !mso]><p>x</p><![endif]>"), ending="html").html
    assert "<!--[if !mso]><!-->" in html
    assert "<!--<![endif]-->" in html


@pytest.mark.parametrize(
    "text",
    ["", "just words", "<", "<p>open", "<html></html>", '<?xml version="1.0"?><html><body><p>x</p></body></html>'],
)
def test_odd_documents_do_not_stop_the_inliner(text: str) -> None:
    assert isinstance(inline(text), str)


def test_publishing_the_same_mail_twice_gives_the_same_digest() -> None:
    first, second = compiled("Hello"), compiled("Hello")
    assert first.digest == second.digest
    assert compiled("Hullo").digest != first.digest
    made = compile_mail(source("Hello"), LAYOUTS, OPTIONS)
    assert isinstance(made, CompiledMail)
    assert made == first
