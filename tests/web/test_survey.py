"""One click in the mail opens a page with the answer chosen; the button records it."""

import pytest
from sqlalchemy import delete

from app.actions.surveys import results
from app.core.instants import DAY
from app.store.events import NewsRow
from app.store.messages import MessageRow
from app.store.surveys import SurveyAnswerRow
from tests.web.converting import answer_path, asked, sell
from tests.web.desk import Desk


@pytest.fixture
def alice(desk: Desk) -> int:
    sell(desk)
    return int(desk.confirmed("alice@example.com").id)


def answers(desk: Desk) -> list[tuple[str, str]]:
    return [(row.answer, row.comment) for row in desk.rows(SurveyAnswerRow)]


def facts(desk: Desk) -> list[str]:
    return [fact.payload for fact in desk.facts("alice@example.com") if fact.kind == "answered"]


def test_a_scanner_that_fetches_every_answer_records_nothing(desk: Desk, alice: int) -> None:
    mail = asked(desk, alice)
    for number in range(11):
        assert desk.get(answer_path(desk, mail, number)).status_code == 200
        assert desk.client.head(answer_path(desk, mail, number)).status_code == 200
    assert answers(desk) == []
    assert facts(desk) == []


def test_the_page_has_the_answer_chosen_and_the_button_records_it(desk: Desk, alice: int) -> None:
    path = answer_path(desk, asked(desk, alice), 9)
    page = desk.get(path).text
    assert 'value="9" checked' in page
    assert page.count("checked") == 1
    said = desk.post(path, {"answer": "9", "comment": "  the herbs "})
    assert said.status_code == 200
    assert "your answer is kept" in said.text
    assert answers(desk) == [("9", "the herbs")]
    assert len(facts(desk)) == 1
    assert '"answer": 9' in facts(desk)[0]
    assert [row.subscriber_id for row in desk.rows(NewsRow, NewsRow.subscriber_id == alice)] != []


def test_the_answer_chosen_on_the_page_counts_not_the_link(desk: Desk, alice: int) -> None:
    desk.post(answer_path(desk, asked(desk, alice), 2), {"answer": "10"})
    assert answers(desk) == [("10", "")]


def test_pressing_twice_is_one_answer_and_changing_ones_mind_is_another_fact(desk: Desk, alice: int) -> None:
    path = answer_path(desk, asked(desk, alice), 4)
    for _ in range(3):
        desk.post(path, {"answer": "4"})
    assert len(facts(desk)) == 1
    desk.clock.advance(DAY)
    desk.post(path, {"answer": "8", "comment": "better now"})
    assert answers(desk) == [("8", "better now")]
    assert len(facts(desk)) == 2


@pytest.mark.parametrize("wrong", ["11", "-1", "nine", "9.5", "x" * 200])
def test_an_answer_off_the_scale_is_not_taken(desk: Desk, alice: int, wrong: str) -> None:
    path = answer_path(desk, asked(desk, alice), 9)
    assert desk.post(path, {"answer": wrong}).status_code == 422
    assert answers(desk) == []


def test_an_address_with_an_answer_off_the_scale_leads_nowhere(desk: Desk, alice: int) -> None:
    assert desk.get(answer_path(desk, asked(desk, alice), 11)).status_code == 404


def test_a_forged_link_leads_nowhere(desk: Desk, alice: int) -> None:
    path = answer_path(desk, asked(desk, alice), 9)
    assert desk.post(path.replace("/s/", "/s/A"), {"answer": "9"}).status_code == 404
    assert answers(desk) == []


def test_the_question_closes_when_the_campaign_no_longer_waits(desk: Desk, alice: int) -> None:
    path = answer_path(desk, asked(desk, alice), 9)
    desk.post(path, {"answer": "9"})
    desk.clock.advance(7 * DAY)
    late = desk.post(path, {"answer": "1"})
    assert late.status_code == 410
    assert "we have your answer" in late.text
    assert answers(desk) == [("9", "")]


def test_options_are_answered_by_their_key_in_the_readers_language(desk: Desk, alice: int) -> None:
    mail = asked(desk, alice, "ask/next")
    page = desk.get(answer_path(desk, mail, "herbs") + "?lang=fa").text
    assert "سبزی" in page
    assert 'dir="rtl"' in page
    desk.post(answer_path(desk, mail, "herbs"), {"answer": "fruit"})
    assert answers(desk) == [("fruit", "")]


def test_a_person_who_is_gone_is_asked_nothing(desk: Desk, alice: int) -> None:
    mail = asked(desk, alice)
    with desk.world.transaction("write") as session:
        session.execute(delete(MessageRow).where(MessageRow.id == mail))
    assert desk.get(answer_path(desk, mail, 9)).status_code == 410


def test_a_long_comment_is_cut_and_markup_in_it_stays_words(desk: Desk, alice: int) -> None:
    path = answer_path(desk, asked(desk, alice), 9)
    desk.post(path, {"answer": "9", "comment": "<script>" + "x" * 5_000})
    assert len(answers(desk)[0][1]) == 2_000
    assert "<script>" not in desk.get(path).text


def test_results_count_each_person_once_by_stage_and_campaign(desk_on_both: Desk) -> None:
    desk = desk_on_both
    sell(desk)
    given = {"alice": ["3", "10"], "bob": ["9"], "carol": ["0"]}
    for name, numbers in given.items():
        who = desk.confirmed(f"{name}@example.com").id
        for number in numbers:
            desk.post(answer_path(desk, asked(desk, who), number), {"answer": number, "comment": name})
            desk.clock.advance(DAY)
    with desk.world.transaction("read") as session:
        found = results(session, desk.parts.shelved(), "nps")  # type: ignore[arg-type]
    assert found is not None
    assert found.all.total == 3
    assert dict(found.all.counts)["3"] == 0, "she changed her mind a day later"
    assert found.all.score is not None
    assert round(found.all.score.score) == 33
    assert found.asked == 3
    assert [group.name for group in found.by_campaign] == ["asking"]
    assert sum(group.total for group in found.by_stage) == 3
    assert [comment.comment for comment in found.comments][:2] == ["carol", "bob"]
