"""Long work and publishing from the dashboard: asked for on a page, done by a worker, found again, guarded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import update

from app.actions.advance import drain as decide
from app.actions.errands import HOLD
from app.actions.errands.doing import drain
from app.core.facts import FactKind
from app.core.instants import DAY
from app.core.saying.notes import EXAMPLES, back_to
from app.store.accounts import AuditRow
from app.store.engine import Database
from app.store.errands import ErrandRow
from app.store.releases import LiveRow, ReleaseRow
from tests.services.clock import Clock
from tests.web.dashboard_stage import House
from tests.web.desk import open_desk
from tests.web.small_site import sources

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
WELCOME = "campaigns/welcome.yaml"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    folder = tmp_path / "site"
    more = {"campaigns": folder / "campaigns", "templates": folder / "email_templates"}
    opened = House(open_desk(database, tmp_path, clock, demo=True, **more))
    for path, text in sources().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    yield opened
    opened.desk.parts.spool.close()


def edit(house: House, path: str, old: str, new: str) -> None:
    file = house.desk.folder / "site" / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def works(house: House) -> ErrandRow:
    """A worker comes by; the newest errand."""
    house.desk.clock.advance(HOLD)
    drain(house.desk.world, house.desk.parts.shelf, "worker")
    return house.desk.rows(ErrandRow)[-1]  # type: ignore[no-any-return]


def planned(house: House, **fields: str) -> str:
    """The path of a plan that is ready."""
    sent = house.send("/dashboard/publish", "/dashboard/publish/plan", **fields)
    assert works(house).state == "done"
    return sent.headers["Location"]


# ── Publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lang", "words"), [("en", "1 file differs from what is live"), ("fa", "۱ فایل با آنچه")])
def test_what_is_not_published_yet_is_named(house: House, lang: str, words: str) -> None:
    assert "1 file" not in house.read("/dashboard/publish")
    edit(house, WELCOME, "- send: book/deliver", "- wait: 2d\n    - send: book/deliver")
    page = house.read("/dashboard/publish", lang)
    assert words in page
    assert WELCOME in page


@pytest.mark.parametrize(("lang", "words"), [("en", "Nobody gets a mail twice"), ("fa", "هیچ‌کس ایمیلی را دو بار")])
def test_a_plan_is_read_and_then_that_plan_is_applied(house: House, lang: str, words: str) -> None:
    house.desk.confirmed(ALICE)
    edit(
        house,
        WELCOME,
        "- send: book/deliver",
        "- send: book/deliver\n    - wait: 2d\n    - send: book/deliver\n      id: again",
    )
    path = planned(house)
    page = house.read(path, lang)
    assert words in page
    assert "again" in page
    sent = house.send(path, path, message="A second try")
    assert works(house).state == "done"
    assert "2" in house.read(sent.headers["Location"], lang)
    release = house.desk.rows(ReleaseRow)[-1]
    assert (release.author, release.note) == ("demo", "A second try")
    assert [row.action for row in house.desk.rows(AuditRow)] == ["ask_plan", "ask_apply"]


def foreign_words(page: str) -> list[str]:
    """Latin words of a page's content that are neither keys nor files nor people, which stand apart."""
    main = re.search(r"<main\b.*</main>", page, re.DOTALL)
    assert main is not None
    text = re.sub(r"<code\b.*?</code>|<svg\b.*?</svg>", " ", main[0], flags=re.DOTALL)
    text = re.sub(r"<bdi[^>]*>([^<]*)</bdi>", lambda bdi: bdi[1] if re.search("[\u0600-\u06ff]", bdi[1]) else " ", text)
    text = re.sub("\u2068[^\u2069]*\u2069", " ", unescape(re.sub(r"<[^>]+>", " ", text)))
    return re.findall(r"[A-Za-z]{2,}", text)


EDITS = (
    (WELCOME, 'title: "Welcome"', 'title: {fa: "خوش‌آمد", en: "Welcome"}\ngoal: "orders >= 1"\nholdout: 10%'),
    (WELCOME, "- send: book/deliver", '- wait: {days: 2, at: "09:30"}\n    - {send: book/deliver, fresh_for: 24h}'),
)


def test_a_persian_plan_says_nothing_in_english(house: House) -> None:
    house.desk.confirmed(ALICE)
    for path, old, new in EDITS:
        edit(house, path, old, new)
    path = planned(house)
    page = house.get(path, "fa").text
    assert foreign_words(page) == []
    words = house.read(path, "fa")
    assert "صبر ۲ روز، ساعت ۰۹:۳۰" in words
    assert "شمار سفارش‌هایش دست‌کم ۱ است" in words
    assert "wait 2 days, 09:30" in house.read(path)


def test_a_refusal_is_persian_too_and_names_file_line_and_column(house: House) -> None:
    house.desk.confirmed(ALICE)
    edit(house, WELCOME, "- send: book/deliver", "- wait: 9d\n    - send: book/deliver")
    path = planned(house)
    house.send(path, path, message="A long wait")
    works(house)
    decide(house.desk.world, house.desk.parts.shelf)
    edit(house, WELCOME, "- wait: 9d\n    - send: book/deliver", "- send: book/deliver")
    page = house.get(planned(house), "fa").text
    assert foreign_words(page) == []
    assert re.search(r'<code class="place" dir="ltr">campaigns/welcome\.yaml:\d+:\d+</code>', page)
    assert "ایستاده است و این گام دیگر در" in page


def test_files_that_changed_after_the_plan_are_not_published(house: House) -> None:
    edit(house, WELCOME, 'title: "Welcome"', 'title: "Good day"')
    path = planned(house)
    edit(house, WELCOME, 'title: "Good day"', 'title: "Good night"')
    sent = house.send(path, path, message="Why not")
    assert works(house).state == "failed"
    assert "Plan again" in house.read(sent.headers["Location"])
    assert len(house.desk.rows(ReleaseRow)) == 1


def test_a_plan_is_not_applied_without_a_reason(house: House) -> None:
    edit(house, WELCOME, 'title: "Welcome"', 'title: "Good day"')
    path = planned(house)
    house.send(path, path, message=" ")
    assert len(house.desk.rows(ErrandRow)) == 1


@pytest.mark.parametrize(("lang", "words"), [("en", "The files have errors"), ("fa", "فایل‌ها خطا دارند")])
def test_errors_of_the_files_are_shown_with_their_lines(house: House, lang: str, words: str) -> None:
    edit(house, WELCOME, "send: book/deliver", "send: book/nowhere")
    sent = house.send("/dashboard/publish", "/dashboard/publish/plan")
    assert works(house).state == "failed"
    page = house.read(sent.headers["Location"], lang)
    assert words in page
    assert "welcome.yaml:" in page


def test_an_earlier_release_is_planned_and_made_live_again(house: House) -> None:
    edit(house, WELCOME, 'title: "Welcome"', 'title: "Good day"')
    path = planned(house)
    house.send(path, path, message="New title")
    works(house)
    assert "Good day" in house.get("/dashboard/releases/2").text
    sent = house.send("/dashboard/releases", "/dashboard/publish/plan", release="1")
    works(house)
    back = sent.headers["Location"]
    house.send(back, back, message="It was better before")
    works(house)
    assert house.desk.rows(ReleaseRow)[-1].note == "It was better before"
    assert "Good day" not in house.read("/dashboard/campaigns")


@pytest.mark.parametrize(
    ("note", "in_persian"),
    [
        (EXAMPLES, "کارزارهای نمونه"),
        (back_to(None), "بازگشت به انتشار پیشین"),
        (back_to(12), "بازگشت به انتشار ۱۲"),
        ("Spring, at last", "Spring, at last"),
    ],
)
def test_why_it_was_published_is_said_in_the_language_of_the_page_unless_somebody_wrote_it(
    house: House, note: str, in_persian: str
) -> None:
    with house.desk.world.transaction("write") as session:
        session.execute(update(ReleaseRow).values(note=note))
    for path in ("publish", "releases", "releases/1", "campaigns/welcome/versions", "campaigns/welcome/versions/1"):
        assert note in house.read(f"/dashboard/{path}"), path
        assert in_persian in house.read(f"/dashboard/{path}", "fa"), path


def test_a_server_without_the_files_says_how_to_publish(house: House) -> None:
    (house.desk.folder / "site" / "campaigns").rename(house.desk.folder / "elsewhere")
    page = house.read("/dashboard/publish")
    assert "parvar apply" in page
    assert "Make a plan" not in page


# ── Steering ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_campaign_is_ended_only_with_its_box_ticked(house: House) -> None:
    page = "/dashboard/campaigns/welcome"
    house.send(page, f"{page}/steer", command="stop")
    assert "Tick the box" in house.read(page)
    assert house.desk.rows(LiveRow)[0].standing is None
    house.send(page, f"{page}/steer", command="drain", sure="yes")
    assert house.desk.rows(LiveRow)[0].standing == "retired"
    house.send(page, f"{page}/steer", command="stop", sure="yes")
    assert house.desk.rows(LiveRow)[0].standing == "stopped"


def test_a_paused_campaign_goes_on_with_the_chosen_policy(house: House) -> None:
    page = "/dashboard/campaigns/welcome"
    house.send(page, f"{page}/steer", command="pause")
    house.send(page, f"{page}/steer", command="resume", policy="restart")
    assert house.desk.rows(LiveRow)[0].policy == "restart"
    assert house.send(page, f"{page}/steer", command="resume", policy="somehow").status_code == 400


# ── Many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lang", "words"), [("en", "2 people"), ("fa", "۲ نفر")])
def test_whom_a_change_concerns_is_shown_before_it_begins(house: House, lang: str, words: str) -> None:
    for address in (ALICE, BOB):
        house.desk.confirmed(address)
    page = house.read("/dashboard/people/change", lang, what="tag", word="vip")
    assert words in page
    assert ALICE in page
    assert house.desk.tags(ALICE) == set()
    house.send("/dashboard/people/change?what=tag&word=vip", "/dashboard/people/change", what="tag", word="vip")
    assert "vip" in house.read("/dashboard/people", lang)
    works(house)
    assert house.desk.tags(ALICE) == house.desk.tags(BOB) == {"vip"}


def test_a_change_is_cancelled_from_the_notice_and_undone_from_the_strip(house: House) -> None:
    house.desk.confirmed(ALICE)
    ask = ("/dashboard/people/change?what=tag&word=vip", "/dashboard/people/change")
    house.send(*ask, what="tag", word="vip")
    (first,) = re.findall(r'action="(/dashboard/work/\d+/cancel)"', house.get("/dashboard/people").text)[:1]
    house.send("/dashboard/people", first)
    assert works(house).state == "cancelled"
    house.send(*ask, what="tag", word="vip")
    works(house)
    (undo,) = re.findall(r'action="(/dashboard/work/\d+/undo)"', house.get("/dashboard/people").text)
    house.send("/dashboard/people", undo)
    works(house)
    assert house.desk.tags(ALICE) == set()
    assert "It was taken back" in house.read(undo.removesuffix("/undo"))


def test_people_are_found_by_an_attribute_whatever_it_holds(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alice")
    house.desk.confirmed(BOB, "full", interests=["herbs", "fruit"], staff="12", budget="high")
    found = {
        ("interests", "fruit"): (False, True),
        ("staff", "12"): (False, True),
        ("first_name", "ali"): (True, False),
        ("budget", "low"): (False, False),
    }
    for (field, value), expected in found.items():
        page = house.read("/dashboard/people", field=field, value=value)
        assert (ALICE in page, BOB in page) == expected, field


def test_a_file_of_people_is_made_fetched_and_noted(house: House) -> None:
    house.desk.confirmed(ALICE)
    house.send("/dashboard/people/change?what=export", "/dashboard/people/change", what="export")
    number = works(house).id
    answer = house.send(f"/dashboard/work/{number}", f"/dashboard/work/{number}/file")
    assert ALICE in answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    assert house.desk.rows(AuditRow)[-1].action == "fetch_file"


@pytest.mark.parametrize("asked", ["what=erase", "what=pause&days=7", "what="])
def test_a_change_nobody_offers_is_no_page(house: House, asked: str) -> None:
    assert house.client.get(f"/dashboard/people/change?{asked}").status_code == 400


# ── Explaining and looking ahead ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lang", "words"), [("en", "Entry"), ("fa", "ورود")])
def test_the_box_explains_a_mail_in_order_with_file_and_line(house: House, lang: str, words: str) -> None:
    house.desk.confirmed(ALICE)
    page = house.read(house.path_of(ALICE), lang, why="book/deliver")
    assert words in page
    assert "✓" in page or "✗" in page
    assert "welcome.yaml:" in page


def test_what_comes_stands_apart_and_what_was_taken_back_stands_where_it_happened(house: House) -> None:
    house.desk.sign_up(BOB)
    house.desk.clock.advance(DAY)
    house.desk.confirmed(BOB)
    house.happens(BOB, FactKind.VISITED, path="/pricing")
    page = house.read(house.path_of(BOB))
    ahead, story = page.split("Timeline", 1)
    assert "Still to come" in ahead
    assert "Your book" in ahead
    assert story.index("Visited /pricing") < story.index("Taken back")


def test_steps_are_said_in_words(house: House) -> None:
    edit(house, WELCOME, "- send: book/deliver", "- wait: 2d\n    - send: book/deliver")
    path = planned(house)
    house.send(path, path, message="Wait first")
    works(house)
    house.desk.confirmed(ALICE)
    decide(house.desk.world, house.desk.parts.shelf)
    english, persian = house.read(house.path_of(ALICE)), house.read(house.path_of(ALICE), "fa")
    assert "Wait 2 days" in english or "Wait 48 h" in english
    assert "before book/deliver" not in english + persian


@pytest.mark.parametrize(("lang", "words"), [("en", "Marketing mails a day"), ("fa", "ایمیل بازاریابی در روز")])
def test_the_next_days_are_lived_ahead_and_kept_as_a_chart(house: House, lang: str, words: str) -> None:
    house.desk.confirmed(ALICE)
    assert words not in house.read("/dashboard/campaigns/ahead", lang)
    house.send("/dashboard/campaigns/ahead", "/dashboard/ask/forecast")
    assert works(house).state == "done"
    assert words in house.read("/dashboard/campaigns/ahead", lang)
    assert "<svg" in house.get("/dashboard/campaigns/ahead", lang).text


def test_clicks_stand_over_the_picture_of_the_mail(house: House) -> None:
    step = "book/deliver"
    page = house.read("/dashboard/campaigns/welcome/clicks", step=step)
    assert "Where people clicked" in page
    letter = house.get("/dashboard/campaigns/welcome/clicks/html", step=step)
    assert letter.headers["Content-Security-Policy"].startswith("sandbox")
    assert house.get("/dashboard/campaigns/welcome/clicks", step="nowhere").status_code == 404


def test_codes_are_handed_in_as_a_file(house: House) -> None:
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', house.get("/dashboard/work").text)
    assert token is not None
    data = {"form_token": token[1], "pool": "spring", "codes": (BytesIO(b"A-1\n" * 60_000), "codes.txt"), "next": ""}
    assert house.client.post("/dashboard/ask/codes", data=data).status_code == 303
    assert works(house).state == "done"
    assert "1 codes taken" in house.read("/dashboard/work")
