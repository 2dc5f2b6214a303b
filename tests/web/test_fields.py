"""Fields: read by one declaration, on both routes, whatever digits they are typed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.actions.answers import Question, Wrong, looks_like_a_link, read_answer, tidy_text
from app.core.calendar import CalendarName
from app.core.site import AttributeType as Type
from app.core.text import Text
from tests.web.desk import JSON, Desk

OPTIONS = (("low", Text.plain("Low")), ("high", Text.plain("High")))


def question(kind: Type, **more: object) -> Question:
    return Question("x", kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "typed", "answer"),
    [
        (question(Type.NUMBER), "۱۲٬۵۰۰", 12500),
        (question(Type.NUMBER), "١٢", 12),
        (question(Type.NUMBER), "2,5", 2.5),
        (question(Type.NUMBER), "1,234,567", 1_234_567),
        (question(Type.NUMBER), "three", Wrong.NOT_A_NUMBER),
        (question(Type.NUMBER), "1e400", Wrong.NOT_A_NUMBER),
        (question(Type.NUMBER, least=1.0), "0", Wrong.TOO_SMALL),
        (question(Type.NUMBER, most=5.0), "6", Wrong.TOO_LARGE),
        (question(Type.MONEY), "10.5", Wrong.NOT_A_NUMBER),
        (question(Type.CHOICE, options=OPTIONS), "low", "low"),
        (question(Type.CHOICE, options=OPTIONS), "huge", Wrong.NO_OPTION),
        (question(Type.DATE), "2026-11-22", "2026-11-22"),
        (question(Type.DATE), "۱۴۰۵/۹/۱", "2026-11-22"),
        (question(Type.DATE), "1404-12-30", Wrong.NOT_A_DATE),
        (question(Type.DAY, calendar=CalendarName.JALALI), "۱۳۷۰/۰۷/۱۴", "07-14"),
        (question(Type.DAY, calendar=CalendarName.JALALI), "1991-10-06", "07-14"),
        (question(Type.PHONE), "۰۹۱۲ ۳۴۵-۶۷۸۹", "09123456789"),
        (question(Type.PHONE), "+98 (912) 345 67 89", "+989123456789"),
        (question(Type.PHONE), "call me", Wrong.NOT_A_PHONE),
        (question(Type.LINK), "https://example.com/x", "https://example.com/x"),
        (question(Type.LINK), "javascript:alert(1)", Wrong.INVALID),
        (question(Type.TEXT, longest=5), "too long", Wrong.TOO_LONG),
        (question(Type.TEXT), "\u202eevil\u202c  می\u200cخواهم ", "evil می\u200cخواهم"),
        (question(Type.TEXT, is_required=True), " \u200f ", Wrong.MISSING),
        (question(Type.TEXT), "", None),
        (question(Type.BOOL), "on", True),
    ],
)
def test_an_answer_is_read_as_its_field_says(asked: Question, typed: str, answer: object) -> None:
    assert read_answer(asked, [typed]) == answer


@given(st.sampled_from(list(Type)), st.lists(st.text(max_size=60), max_size=5))
def test_no_text_makes_the_reading_fail(kind: Type, typed: list[str]) -> None:
    answer = read_answer(question(kind, options=OPTIONS), typed)
    assert answer is None or isinstance(answer, Wrong | str | int | float | tuple)


@given(st.text(max_size=200))
def test_tidying_twice_changes_nothing_more(typed: str) -> None:
    assert tidy_text(tidy_text(typed)) == tidy_text(typed)


@pytest.mark.parametrize(("text", "is_link"), [("see www.evil.example", True), ("Alice", False), ("a.com/x", True)])
def test_links_in_short_answers_are_noticed(text: str, is_link: bool) -> None:
    assert looks_like_a_link(text) is is_link


def test_all_kinds_of_fields_are_kept_typed(desk: Desk) -> None:
    alice = "alice@example.com"
    desk.confirmed(
        alice,
        "full",
        interests=["herbs", "fruit"],
        staff="۱۲",
        birthday="۱۳۷۰/۷/۱۴",
        opened="2020-02-03",
        phone="۰۹۱۲۳۴۵۶۷۸۹",
        wholesale=True,
        product="mixed-basket",
        budget="low",
    )
    assert desk.attributes(alice) == {
        "interests": ("herbs", "fruit"),
        "staff": 12,
        "birthday": "07-14",
        "opened": "2020-02-03",
        "phone": "09123456789",
        "wholesale": True,
        "product": "mixed-basket",
        "budget": "low",
    }


def test_faults_are_told_field_by_field_and_tied_to_them(desk: Desk) -> None:
    body = {**desk.filled("no address", "full"), "staff": "900", "opened": "soon", "pv_consent": ""}
    told = desk.client.post("/b/full?lang=en", json=body, headers=JSON)
    assert told.status_code == 422
    assert set((told.json or {})["wrong"]) == {"email", "staff", "opened", "budget", "pv_consent"}
    page = desk.post("/b/full?lang=fa", body)
    assert 'aria-describedby="staff-wrong"' in page.text
    assert 'id="staff-wrong"' in page.text
    assert "این عدد خیلی بزرگ است." in page.text
    assert desk.people() == []
