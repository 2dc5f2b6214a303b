"""The page of one mail: shown in every way, as anybody, at any time, out of the files too; and test copies of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from app.actions.errands.doing import drain
from app.actions.errands.proofs import addresses_of
from app.actions.preview import Desk as PreviewDesk
from app.actions.preview import Wish, previewed
from app.actions.sampling import SAMPLE_CODE
from app.store.engine import Database
from app.store.offers import CodeRow
from tests.services.clock import Clock
from tests.services.smtp import Sink
from tests.web.dashboard_stage import House, open_house
from tests.web.small_site import sources

ALICE, BOB = "alice@example.com", "bob@example.com"
PAGE = "/dashboard/mails/book/deliver"


@pytest.fixture
def house(database: Database, tmp_path: Path, clock: Clock) -> Iterator[House]:
    opened = open_house(database, tmp_path, clock, demo=True)
    yield opened
    opened.desk.parts.spool.close()


def at_home(house: House, folder: Path, **more: object) -> House:
    """The same house with the site's files on its disk, and other settings."""
    for name, text in sources().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    desk = house.desk
    paths = {"campaigns": folder / "campaigns", "templates": folder / "email_templates"}
    settings = replace(desk.world.settings, **paths, **more)  # type: ignore[arg-type]
    world = replace(desk.world, settings=settings)
    return House(type(desk)(world, replace(desk.parts, world=world), desk.clock, desk.folder))


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mail_is_shown_as_read_as_text_as_source_and_with_its_findings(house: House) -> None:
    assert 'src="/dashboard/mails/book/deliver/html' in house.get(PAGE).text
    assert "Hello Alice" in house.read(PAGE, part="text")
    source = house.read(PAGE, part="source")
    assert "Content-Type: multipart/alternative" in source
    assert "Message-ID:" in source
    assert "KB of the 102 that are shown" in house.read(PAGE)
    assert house.get(PAGE, part="nonsense").status_code == 200


@pytest.mark.parametrize("lang", ["en", "fa"])
def test_the_page_runs_nothing_of_the_mail_and_frames_only_itself(house: House, lang: str) -> None:
    answer = house.get(PAGE, lang)
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert re.search(r"<iframe[^>]* sandbox></iframe>", answer.text)
    assert not re.search(r"<script(?![^>]*\ssrc=)| on[a-z]+=|style=", answer.text.partition("<main")[2])
    frame = house.get(f"{PAGE}/html", lang)
    assert frame.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in frame.headers["Content-Security-Policy"]


def test_a_dark_program_and_one_without_pictures_are_imitated(house: House) -> None:
    light, dark = (house.get(f"{PAGE}/html", dark=value).text for value in ("", "1"))
    assert "prefers-color-scheme" not in light + dark
    assert "@media (min-width:0px)" in dark
    assert "@media (max-width:0px)" in light
    bare = house.get(f"{PAGE}/html", pictures="0")
    assert "img-src 'none'" in bare.headers["Content-Security-Policy"]
    assert "img-src *" in house.get(f"{PAGE}/html").headers["Content-Security-Policy"]


def test_a_mail_is_shown_as_a_subscriber_and_nothing_in_it_is_hers_to_press(house: House) -> None:
    house.desk.confirmed(ALICE, first_name="Alicia")
    told = house.read(PAGE, part="text", **{"as": ALICE})
    assert "Hello Alicia" in told
    person = house.desk.person(ALICE).public_id
    found = previewed(PreviewDesk(house.desk.world, house.desk.parts.shelf), Wish("book/deliver", who=ALICE))
    assert found is not None
    tokens = re.findall(r"http://127.0.0.1:8000/[a-z]/([\w.-]{8,})", found.data.decode())
    assert tokens
    links = house.desk.world.links
    read = [one for token in tokens for one in (links.read_unsubscribe(token), links.read_preferences(token)) if one]
    assert [one for one in read if one.person == person] == []


def test_an_address_of_nobody_is_told(house: House) -> None:
    assert "Nobody has this address" in house.read(PAGE, **{"as": "carol@example.com"})


@pytest.mark.parametrize(
    ("day", "is_read"),
    [
        ("2026-11-22", True),
        ("1405-09-01", True),
        ("2026-11-22T09:30", True),
        ("soon", False),
        ("2026-11-22T99:00", False),
    ],
)
def test_the_day_may_be_chosen_in_either_calendar(house: House, day: str, is_read: bool) -> None:
    told = house.read(PAGE, at=day)
    assert ("This is no day" in told) == (not is_read)
    if is_read:
        assert "22 Nov 2026" in told or "22 November 2026" in told


def test_a_mail_nobody_wrote_is_not_there(house: House) -> None:
    assert house.get("/dashboard/mails/nothing/here").status_code == 404
    assert house.get("/dashboard/mails/nothing/here/html", **{"from": "files"}).status_code == 404


# ── Out of the files ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_of_a_file_shows_at_the_next_look_and_only_there(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site")
    draft = {"from": "files"}
    page = home.get(PAGE, **draft).text
    assert 'data-live-every="2"' in page
    before = re.search(r"/html\?v=([0-9a-f]{16})", page)
    path = tmp_path / "site/email_templates/book/deliver.en.md"
    path.write_text(path.read_text("utf-8").replace("Hello", "Good morning"), "utf-8")
    page = home.get(PAGE, **draft).text
    after = re.search(r"/html\?v=([0-9a-f]{16})", page)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]
    assert "Good morning" in home.get(f"{PAGE}/html", **draft).text
    assert "Good morning" not in home.get(f"{PAGE}/html").text


def test_a_draft_that_cannot_be_read_says_where_and_what_to_write(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site")
    path = tmp_path / "site/email_templates/book/deliver.en.md"
    path.write_text("---\nsubject: A\nservice: true\n---\nHello {{ subscriber.nam }}\n", "utf-8")
    told = home.read(PAGE, **{"from": "files", "locale": "en"})
    assert "email_templates/book/deliver.en.md:5:10" in told
    assert "unknown-variable" in told
    (tmp_path / "site/campaigns/site.yaml").write_text("site: {", "utf-8")
    assert "the files cannot be read" in home.read(PAGE, **{"from": "files"})


def test_findings_of_a_draft_stand_on_the_page(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site")
    path = tmp_path / "site/email_templates/book/deliver.en.md"
    path.write_text("---\nsubject: CLICK HERE TO WIN\nservice: true\n---\nclick here\n", "utf-8")
    told = home.read(PAGE, **{"from": "files", "locale": "en", "part": "findings"})
    assert "subject-shouting" in told
    assert "spam-words" in told


GIFT = "---\nsubject: A gift\npreheader: x\n---\nYour code: {{ offer.code }}, until {{ offer.ends }}\n"
OFFER = "offer: spring\ntitle: Spring\ngives: {percent: 10%}\ncodes: {pool: spring}\nends: {days: 5, at: '21:00'}\n"


def test_what_a_step_would_give_is_a_sample_and_no_code_of_a_pool_is_taken(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site")
    root = tmp_path / "site"
    (root / "campaigns/offers").mkdir(exist_ok=True)
    (root / "campaigns/offers/spring.yaml").write_text(OFFER, "utf-8")
    welcome = root / "campaigns/welcome.yaml"
    welcome.write_text(welcome.read_text("utf-8") + "    - {send: gift, offer: spring}\n", "utf-8")
    for locale in ("en", "fa"):
        mail = root / f"email_templates/gift.{locale}.md"
        mail.write_text(GIFT, "utf-8")
    told = home.read("/dashboard/mails/gift", part="text", **{"from": "files", "at": "2026-11-22"})
    assert SAMPLE_CODE in told
    assert "27 November 2026" in told
    assert "Samples, not real: the code (no code of the pool is taken)" in told
    with home.desk.world.transaction("read") as session:
        assert session.query(CodeRow).count() == 0


# ── Test copies ──────────────────────────────────────────────────────────────────────────────────────────────────────


def worked(house: House) -> None:
    drain(house.desk.world, house.desk.parts.shelf, "worker one")


def test_a_copy_goes_to_each_address_and_the_page_tells_how_it_went(house: House, tmp_path: Path) -> None:
    with Sink() as sink:
        sink.refuse("bob@example.com", "550 5.1.1 no such mailbox")
        home = at_home(house, tmp_path / "site", smtp_url=sink.url)
        home.desk.confirmed(ALICE, first_name="Alicia")
        answer = home.send(
            f"{PAGE}?as={ALICE}", f"{PAGE}/test?as={ALICE}", addresses=f"seed@example.com\n{BOB}, seed@example.com"
        )
        assert answer.status_code == 303
        assert "Waits for a worker" in home.read(PAGE)
        worked(home)
        (copy,) = sink.taken
        told = home.read(PAGE)
    assert copy.recipients == ("seed@example.com",)
    assert "seed@example.com" in str(copy.message["To"])
    body = copy.message.get_body(("plain",))
    assert body is not None
    assert "Hello Alicia" in body.get_content()
    assert "1 of 2 test mails were handed over" in told
    assert "550 5.1.1 no such mailbox" in told
    assert "seed@example.com" in re.search(r"<textarea.*?</textarea>", home.get(PAGE).text, re.DOTALL)[0]  # type: ignore[index]
    assert [
        mail for mail in home.desk.mails(ALICE) if mail.mail_key == "book/deliver" and "test" in (mail.cause_key or "")
    ] == []


def test_without_a_relay_test_copies_lie_in_the_inbox_each_a_mail_of_its_own(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site", smtp_url="", data=tmp_path / "data")
    home.send(PAGE, f"{PAGE}/test", addresses="one@example.com two@example.com")
    worked(home)
    found = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in (tmp_path / "data/inbox").glob("*.eml")
    ]
    assert len(found) == 2
    assert len({mail["Message-ID"] for mail in found}) == 2


@pytest.mark.parametrize("text", ["", "nobody", " ".join(f"a{n}@example.com" for n in range(21))])
def test_a_list_of_none_or_too_many_is_not_taken(house: House, text: str) -> None:
    home = house
    home.send(PAGE, f"{PAGE}/test", addresses=text)
    assert "Write between one and 20 addresses." in home.read(PAGE)


def test_an_address_is_taken_once_however_the_list_is_written() -> None:
    assert addresses_of("a@x.example, b@x.example;a@x.example\n\nc@x.example word") == (
        "a@x.example",
        "b@x.example",
        "c@x.example",
    )


def test_a_relay_that_cannot_be_used_is_told_and_nothing_is_sent(house: House, tmp_path: Path) -> None:
    home = at_home(house, tmp_path / "site", smtp_url="gopher://nowhere")
    home.send(PAGE, f"{PAGE}/test", addresses="one@example.com")
    worked(home)
    assert "cannot be used" in home.read(PAGE)
