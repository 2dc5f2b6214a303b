"""The example campaigns, played: every promise of a mail is there, the same in every later mail, and true."""

from datetime import date
from functools import cache
from pathlib import Path

import pytest

from app.actions.inspect import Inspection, inspect_folder
from app.actions.rehearse.cast import Actor
from app.actions.rehearse.deeds import perform
from app.actions.rehearse.judging import Judge
from app.actions.rehearse.stage import Stage
from app.core.scenario import Expect

ROOT = Path(__file__).parents[2]


@cache
def examples() -> Inspection:
    return inspect_folder(ROOT, date(2026, 11, 1))


def play(key: str) -> Stage:
    """Tell a story to its end; every line of it must hold."""
    inspection = examples()
    assert inspection.workspace is not None
    (scenario,) = (each for each in inspection.workspace.scenarios if each.key == key)
    stage = Stage(inspection, scenario)
    actor = Actor(stage, lambda _: inspection)
    judge = Judge(actor)
    for line in scenario.story:
        if isinstance(line, Expect):
            assert judge.judge(line) is None, line.place
        else:
            perform(actor, line)
    return stage


@pytest.fixture(scope="module")
def ready() -> Stage:
    return play("nurture/ready-to-buy")


def test_every_mail_of_an_offer_carries_the_same_code_and_the_same_end(ready: Stage) -> None:
    mails = [mail.message for mail in ready.inbox if mail.offer == "first-basket"]
    assert len(mails) >= 2
    for mail in mails:
        assert "FIRST-BASKET-001" in mail.html
        assert "FIRST-BASKET-001" in mail.text
    pictures = {
        part.partition('"')[0] for mail in mails for part in mail.html.split('src="') if "/countdown/" in part[:60]
    }
    assert len(pictures) == 1, "one end, one picture"


def test_the_countdown_says_its_end_in_words(ready: Stage) -> None:
    mail = next(mail.message for mail in ready.inbox if mail.offer == "first-basket")
    assert 'alt="این پیشنهاد تا ' in mail.html
    assert "ساعت ۲۱:۰۰ اعتبار دارد" in mail.html
    assert "ساعت ۲۱:۰۰ اعتبار دارد" in mail.text, "who sees no pictures reads the end"


def test_an_unhappy_customer_reaches_a_person_with_answer_and_story() -> None:
    stage = play("shop/post-purchase#2")
    told = next(mail.message.text for mail in stage.inbox if mail.mail == "team/unhappy-customer")
    assert "nps" in told
    assert "سفارش داد به مبلغ" in told or "ordered for" in told


def test_a_question_has_a_signed_link_for_each_answer() -> None:
    stage = play("shop/post-purchase#2")
    mail = next(mail.message for mail in stage.inbox if mail.mail == "after-purchase/nps")
    for answer in range(11):
        assert f"/{answer}\n" in mail.text
    tokens = {line.partition("/s/")[2].partition("/")[0] for line in mail.text.splitlines() if "/s/" in line}
    (token,) = tokens
    assert stage.world.links.read_survey(token) is not None
