"""The dashboard in a demo: what its pages tell, what its forms change, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import update

from app.core.facts import FactKind
from app.core.instants import DAY
from app.store.accounts import AuditRow
from app.store.engine import Database
from app.store.messages import MessageRow
from app.store.releases import ControlRow, LiveRow
from app.store.runs import DecisionRow
from app.web.dashboard.wording import catalogue
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house
from tests.web.dashboard_texts import texts

LETTER = b"<html><head></head><body>Dear Alice<img width=1 src='http://127.0.0.1:8000/o/abc' alt=''></body></html>"
ALICE, BOB = "alice@example.com", "bob@example.com"
PAGES = ("", "/ladder", "/campaigns", "/people", "/boxes", "/mails", "/delivery", "/segments", "/audit")


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=True)
    yield opened
    opened.desk.parts.spool.close()


@pytest.mark.parametrize("lang", ["en", "fa"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_on_an_empty_house_and_carries_a_strict_policy(house: House, path: str, lang: str) -> None:
    answer = house.get(f"/dashboard{path}", lang)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<(script|style)>|\sstyle=|\son[a-z]+=", answer.text)
    assert f'<html lang="{lang}" dir="{"rtl" if lang == "fa" else "ltr"}"' in answer.text


def test_every_text_has_a_persian_one_with_the_same_places() -> None:
    persian = catalogue("fa")
    missing = sorted(texts() - persian.keys())
    assert missing == []
    places = re.compile(r"%\([a-z_]+\)s")
    assert [text for text in texts() if set(places.findall(text)) != set(places.findall(persian[text]))] == []


def test_persian_pages_write_persian_digits_and_jalali_dates(house: House) -> None:
    house.desk.confirmed(ALICE)
    page = house.read(house.path_of(ALICE), "fa")
    assert "۱۰ اسفند" in page
    assert "خط زمان" in page
    assert "1 Mar" not in page


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", "because of the limit 1 per day and the quiet hours 21:00-08:00"),
        ("fa", "سقف ۱ در روز و ساعت‌های آرام ۲۱:۰۰ تا ۰۸:۰۰"),
    ],
)
def test_what_held_a_mail_back_is_said_once_and_in_the_words_of_the_page(house: House, lang: str, words: str) -> None:
    alice = house.desk.confirmed(ALICE)
    kept = {"mail": "book/deliver", "slot_at": house.desk.clock() + DAY}
    seen = json.dumps(kept | {"because": "limit 1 per day; quiet_hours 21:00-08:00"})
    with house.desk.world.transaction("write") as session:
        at = house.desk.clock()
        session.add(DecisionRow(subscriber_id=alice.id, at=at, campaign="welcome", code="delayed", seen=seen))
    assert words in house.read(house.path_of(ALICE), lang)


# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_people_are_found_by_the_beginning_of_their_address_or_name_and_by_state(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alice")
    house.desk.sign_up(BOB, first_name="Robert")
    both = house.read("/dashboard/people")
    assert "2 people" in both
    assert ALICE in both
    assert BOB in both
    assert ALICE not in house.read("/dashboard/people", text="rob")
    assert "1 person" in house.read("/dashboard/people", text="ALI")
    assert BOB in house.read("/dashboard/people", state="pending")
    assert "Nobody fits" in house.read("/dashboard/people", text="carol")


def test_one_timeline_tells_signup_consent_wording_mails_visits_and_orders(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alice")
    house.desk.clock.advance(DAY)
    house.happens(ALICE, FactKind.VISITED, path="/pricing")
    house.happens(ALICE, FactKind.ORDERED, value=5_000_000)
    page = house.read(house.path_of(ALICE))
    for words in (
        "Signed up through the box book",
        "I agree to receive mails.",
        "Confirmed the address",
        "Visited /pricing",
        "Ordered for 500,000 tomans",
        "Sent: Confirm system/confirm",
        "Still to come",
        "Your book",
    ):
        assert words in page
    assert page.index("Ordered for") < page.index("Visited /pricing") < page.index("Signed up through")
    assert "Signed up" not in house.read(house.path_of(ALICE), show="stages")


def test_a_machines_open_is_told_as_one(house: House) -> None:
    house.desk.confirmed(ALICE)
    house.happens(ALICE, FactKind.OPENED, name="book/deliver", is_human=False)
    page = house.read(house.path_of(ALICE))
    assert "Opened “Your book”" in page
    assert "by a machine" in page


def test_what_was_sent_is_shown_in_a_sandbox_only_beside_its_own_person(house: House) -> None:
    import zlib

    from app.store.bodies import keep

    house.desk.confirmed(ALICE)
    house.desk.sign_up(BOB)
    message = house.mailed(ALICE)
    with house.desk.world.transaction("write") as session:
        keep(session, {message: zlib.compress(LETTER)}, 1)
    letter = house.get(f"{house.path_of(ALICE)}/mails/{message}/html")
    assert "Dear Alice" in letter.text
    assert "/o/abc" not in letter.text, "looking at a mail is not its reader's opening"
    assert letter.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "script-src" not in letter.headers["Content-Security-Policy"]
    assert house.get(f"{house.path_of(BOB)}/mails/{message}/html").status_code == 404


def test_a_tag_is_put_on_and_taken_back_and_both_stand_in_the_log(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    house.desk.clock.advance(1)
    assert house.send(path, f"{path}/do", what="tag", tag="VIP").status_code == 303
    assert house.desk.tags(ALICE) == {"vip"}
    page = house.get(path).text
    assert "Undo" in page
    house.send(path, f"{path}/do", what="untag", tag="vip")
    assert house.desk.tags(ALICE) == set()
    assert [row.action for row in house.desk.rows(AuditRow)] == ["tag", "untag"]
    assert "Took a tag away" in house.read("/dashboard/audit")


def test_attributes_are_edited_within_their_type_and_forgotten_when_emptied(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    house.send(path, f"{path}/do", what="edit", attribute="staff", value="۱۲")
    house.send(path, f"{path}/do", what="edit", attribute="budget", value="high")
    assert house.desk.attributes(ALICE)["staff"] == 12
    house.send(path, f"{path}/do", what="edit", attribute="budget", value="enormous")
    assert house.desk.attributes(ALICE)["budget"] == "high"
    house.send(path, f"{path}/do", what="edit", attribute="budget", value="")
    assert "budget" not in house.desk.attributes(ALICE)


def test_a_suppressed_address_gets_nothing_and_may_be_let_go_again(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    house.send(path, f"{path}/do", what="suppress")
    assert house.desk.person(ALICE).is_suppressed
    assert {mail.state for mail in house.desk.mails(ALICE)} == {"sent", "withdrawn"}
    assert "Put here by hand" in house.read("/dashboard/delivery")
    house.send(path, f"{path}/do", what="release")
    assert not house.desk.person(ALICE).is_suppressed


def test_a_pause_is_shown_and_ended(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    house.send(path, f"{path}/do", what="pause", days="30")
    assert house.desk.person(ALICE).paused_until == house.desk.clock() + 30 * DAY
    assert "Paused until" in house.read(path)
    house.send(path, f"{path}/do", what="pause", days="0")
    assert house.desk.person(ALICE).paused_until is None


def test_an_erased_person_is_gone_and_only_the_log_knows_of_it(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    house.send(path, f"{path}/erase")
    assert house.desk.people() == []
    assert house.get(path).status_code == 404
    (line,) = house.desk.rows(AuditRow)
    assert line.action == "erase"
    assert ALICE not in line.subject + line.detail


# ── Guards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_form_works_without_the_token_of_this_browser(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = f"{house.path_of(ALICE)}/do"
    assert house.client.post(path, data={"what": "tag", "tag": "vip"}).status_code == 403
    stranger = House(house.desk)
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', stranger.get("/dashboard").text)
    assert token is not None
    answer = house.client.post(path, data={"what": "tag", "tag": "vip", "form_token": token[1]})
    assert answer.status_code == 403
    assert house.desk.tags(ALICE) == set()


def test_a_form_sent_from_another_site_is_refused_even_with_the_token(house: House) -> None:
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', house.get("/dashboard").text)
    assert token is not None
    headers = {"Sec-Fetch-Site": "cross-site"}
    data = {"form_token": token[1], "what": "kill"}
    assert house.client.post("/dashboard/sending", data=data, headers=headers).status_code == 403
    assert not house.desk.rows(ControlRow)[0].is_killed


def test_nobody_is_led_elsewhere_after_a_form(house: House) -> None:
    house.desk.confirmed(ALICE)
    path = house.path_of(ALICE)
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = house.send(path, "/dashboard/look", theme="dark", next=elsewhere)
        assert answer.headers["Location"] == "/dashboard/"


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_kill_switch_is_thrown_shown_and_let_go(house: House) -> None:
    house.send("/dashboard/delivery", "/dashboard/sending", what="kill")
    assert not house.desk.rows(ControlRow)[0].is_killed, "not before its box is ticked"
    house.send("/dashboard/delivery", "/dashboard/sending", what="kill", sure="yes")
    assert house.desk.rows(ControlRow)[0].is_killed
    assert "The kill switch is on" in house.read("/dashboard")
    house.send("/dashboard/delivery", "/dashboard/sending", what="unkill")
    assert not house.desk.rows(ControlRow)[0].is_killed


@pytest.mark.parametrize(("what", "state"), [("resend", "queued"), ("sent", "sent")])
def test_an_uncertain_mail_is_sent_again_or_taken_as_sent(house: House, what: str, state: str) -> None:
    house.desk.confirmed(ALICE)
    message = house.mailed(ALICE)
    with house.desk.world.transaction("write") as session:
        session.execute(update(MessageRow).where(MessageRow.id == message).values(state="uncertain"))
    assert "may or may not have arrived" in house.read("/dashboard")
    house.send("/dashboard/delivery", "/dashboard/delivery/uncertain", what=what, message=str(message))
    (row,) = house.desk.rows(MessageRow, MessageRow.id == message)
    assert row.state == state


# ── Segments and mails ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_condition_is_said_counted_and_its_faults_are_placed(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alice")
    house.desk.sign_up(BOB)
    page = house.read("/dashboard/segments", condition="confirmed")
    assert "1 person" in page
    assert "has confirmed" in page
    wrong = house.read("/dashboard/segments", condition="stage == 'nowhere'")
    assert "at sign 1" in wrong


def test_a_mail_is_previewed_as_anybody_and_nothing_is_sent(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alice")
    before = len(house.desk.mails(ALICE))
    assert "book/deliver" in house.read("/dashboard/mails/book/deliver")
    as_her = house.read("/dashboard/mails/book/deliver", **{"as": ALICE})
    assert f"Reader {ALICE}" in as_her
    assert "Nobody has this address" in house.read("/dashboard/mails/book/deliver", **{"as": "nobody@example.com"})
    assert house.get("/dashboard/mails/book/deliver/html").headers["Content-Security-Policy"].startswith("sandbox")
    assert len(house.desk.mails(ALICE)) == before


# ── The inbox and the time machine ───────────────────────────────────────────────────────────────────────────────────


def put_mail(house: House, name: str, subject: str) -> None:
    letter = EmailMessage()
    letter["Subject"], letter["To"], letter["From"] = subject, ALICE, "leila@example.com"
    letter["Date"] = "Sun, 01 Mar 2026 09:00:00 +0000"
    letter.set_content("In plain words: https://shop.example.com/c/1")
    letter.add_alternative(
        "<html><head></head><body><a href='https://shop.example.com/c/1'>Read</a></body></html>", "html"
    )
    folder = house.desk.world.settings.data / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.eml").write_bytes(letter.as_bytes())


def test_every_mail_in_the_folder_is_listed_and_read_in_three_ways(house: House) -> None:
    assert "No mail yet" in house.read("/inbox")
    house.desk.sign_up(ALICE)
    (mail,) = house.desk.mails(ALICE)[:1]
    put_mail(house, f"{mail.id}.1", "به سبد سبز خوش آمدید")
    listed = house.read("/inbox", "fa")
    assert "به سبد سبز خوش آمدید" in listed
    assert "system/confirm" in listed
    assert "In plain words" in house.read(f"/inbox/{mail.id}.1", view="text")
    assert "Content-Type: multipart/alternative" in house.read(f"/inbox/{mail.id}.1", view="source")
    html = house.get(f"/inbox/{mail.id}.1/html")
    assert '<base target="_blank">' in html.text
    assert html.headers["Content-Security-Policy"].startswith("sandbox allow-popups")


@pytest.mark.parametrize("name", ["..%2f..%2fsecret", "1.1.eml", "1", "%2fetc%2fpasswd", "1.1%00"])
def test_nothing_but_mails_of_the_folder_can_be_read(house: House, name: str) -> None:
    (house.desk.world.settings.data / "secret.eml").write_text("secret")
    assert house.get(f"/inbox/{name}").status_code == 404


def test_the_time_machine_sets_out_and_is_not_there_outside_a_demo(
    house: House, sqlite_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    house.send("/dashboard", "/dashboard/time", to="week")
    assert house.desk.rows(ControlRow)[0].demo_target == house.desk.clock() + 7 * DAY
    assert house.get("/dashboard/time").get_json()["walks"] is True
    from app.store.engine import open_database

    (tmp_path / "real").mkdir()
    real = open_house(open_database(sqlite_database_url), tmp_path / "real", clock, demo=False)
    assert real.client.post("/dashboard/time", data={"to": "week"}).status_code == 404


def test_a_condition_is_saved_as_a_piece_of_the_ladders_file(house: House) -> None:
    import yaml

    saved = house.get("/dashboard/segments/file", condition='tagged("vip")  and\nconfirmed', name="good_ones")
    assert yaml.safe_load(saved.text) == {"segments": {"good_ones": 'tagged("vip") and confirmed'}}
    assert "attachment" in saved.headers["Content-Disposition"]
    assert house.get("/dashboard/segments/file", condition="stage == 'nowhere'").status_code == 400


def test_home_names_what_waits_for_somebody(house: House) -> None:
    with house.desk.world.transaction("write") as session:
        session.execute(update(LiveRow).values(standing="paused"))
        session.add(AuditRow(at=1, who="breaker", action="breaker", subject="welcome"))
    assert "“Welcome” was stopped by a breaker" in house.read("/dashboard/")
    assert "«Welcome» را نگهبان متوقف کرد" in house.read("/dashboard/", "fa").replace("\u2068", "").replace(
        "\u2069", ""
    )


def test_the_persian_dashboard_has_one_word_for_a_mail() -> None:
    told = [text for text in catalogue("fa").values() if re.search(r"(?<!بر)(?<!هرز)نامه", text)]
    assert told == [], "people who run the site read «ایمیل», subscribers read «نامه»"
