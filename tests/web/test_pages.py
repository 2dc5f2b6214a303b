"""Pages: languages, headers, errors, files, health; and that scripts stay small."""

import gzip
import json
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from app.core.boxes import Theme
from app.core.instants import DAY, SECOND
from app.store.ledgers import Heartbeat, beat
from app.web.faces import READABLE, contrast, looks_of
from app.web.scripts import PARTS_OF_BOX, snippets, squeezed
from tests.web.desk import Desk
from tests.web.small_site import SHOP

ALICE = "alice@example.com"
WEB = Path(__file__).parents[2] / "app/web"


@pytest.mark.parametrize(
    ("query", "accepted", "lang", "direction"),
    [
        ("", "fa,en;q=0.5", "fa", "rtl"),
        ("?lang=en", "fa", "en", "ltr"),
        ("", "de", "en", "ltr"),
        ("?lang=x", "", "en", "ltr"),
    ],
)
def test_a_page_speaks_the_language_asked_for(desk: Desk, query: str, accepted: str, lang: str, direction: str) -> None:
    page = desk.get(f"/b/book{query}", headers={"Accept-Language": accepted})
    assert f'<html lang="{lang}" dir="{direction}">' in page.text


@pytest.mark.parametrize("path", ["/b/book", "/b/none", "/u/x", "/health", "/confirm/x"])
def test_every_answer_carries_the_strict_headers(desk: Desk, path: str) -> None:
    headers = desk.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in headers


def test_a_framed_box_may_stand_in_the_frames_of_its_own_sites_only(desk: Desk) -> None:
    headers = desk.get("/b/book?frame").headers
    assert f"frame-ancestors {SHOP}" in headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in headers


def test_pages_have_no_inline_script_or_style(desk: Desk) -> None:
    desk.confirmed(ALICE)
    preferences = desk.world.links.preferences_url(desk.person(ALICE).public_id)
    for path in ("/b/book", "/b/full?lang=fa", preferences.removeprefix(desk.world.settings.base_url)):
        page = desk.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)


def test_a_database_that_is_away_is_told_with_the_time_to_come_back(desk: Desk) -> None:
    path = Path(str(desk.world.database.engine.url.database))
    desk.world.database.dispose()
    path.rename(path.with_suffix(".gone"))
    path.mkdir()
    answer = desk.get("/b/book", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert desk.get("/health").status_code == 503


def test_health_is_green_while_the_worker_beats_and_red_after(desk: Desk) -> None:
    assert desk.get("/health").status_code == 503
    with desk.world.transaction("write") as session:
        beat(session, Heartbeat("worker", "one", desk.clock()))
    answer = desk.get("/health")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["worker"] == "ok"
    desk.clock.advance(60 * SECOND)
    assert desk.get("/health").status_code == 503


def test_health_is_red_while_a_workers_journal_cannot_be_written(desk: Desk) -> None:
    for fault, status, word in (("No space left on device", 503, "failing"), ("", 200, "ok")):
        with desk.world.transaction("write") as session:
            beat(session, Heartbeat("worker", "one", desk.clock(), detail=json.dumps({"journal": fault})))
        answer = desk.get("/health")
        assert answer.json is not None
        assert (answer.status_code, answer.json["journal"]) == (status, word)


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_book_comes_whole_and_in_ranges_and_is_counted_once(desk: Desk) -> None:
    (desk.folder / "magnets").mkdir()
    (desk.folder / "magnets" / "book.pdf").write_bytes(b"%PDF-" + bytes(range(256)) * 4)
    desk.confirmed(ALICE)
    url = desk.world.links.magnet_url(desk.pass_for(ALICE, desk.clock() + DAY, "book"))
    path = url.removeprefix(desk.world.settings.base_url)
    whole = desk.get(path)
    assert (whole.status_code, len(whole.data)) == (200, 1029)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = desk.get(path, headers={"Range": "bytes=1000-1028"})
    assert (part.status_code, part.data) == (206, whole.data[1000:])
    assert desk.get(path, headers={"Range": "bytes=5000-"}).status_code == 416
    assert [fact.name for fact in desk.facts(ALICE)].count("magnet_downloaded") == 1


def test_a_link_to_the_book_that_is_over_is_renewed_by_mail_once_a_day(desk: Desk) -> None:
    desk.confirmed(ALICE)
    url = desk.world.links.magnet_url(desk.pass_for(ALICE, desk.clock() + DAY, "book"))
    path = url.removeprefix(desk.world.settings.base_url)
    desk.clock.advance(2 * DAY)
    assert desk.get(path).status_code == 410
    before = desk.leaving(ALICE).count("book/deliver")
    for _ in range(3):
        assert desk.post(path).status_code == 200
    assert desk.leaving(ALICE).count("book/deliver") == before + 1


def test_a_box_without_its_file_says_so_plainly(desk: Desk) -> None:
    desk.confirmed(ALICE)
    url = desk.world.links.magnet_url(desk.pass_for(ALICE, desk.clock() + DAY, "book"))
    assert desk.get(url.removeprefix(desk.world.settings.base_url)).status_code == 404


def test_a_mail_is_shown_as_it_was_sent_in_a_place_where_it_can_do_nothing(desk: Desk) -> None:
    import zlib

    from app.store import bodies

    desk.confirmed(ALICE)
    mail = desk.mails(ALICE)[0]
    with desk.world.transaction("write") as session:
        bodies.keep(session, {mail.id: zlib.compress(b"<p style='color:red'>Hello<script>alert(1)</script>")}, 1)
    shown = desk.get(desk.world.links.view_url(mail.id, 1).removeprefix(desk.world.settings.base_url))
    assert shown.text.startswith("<p style='color:red'>Hello")
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert "script-src" not in shown.headers["Content-Security-Policy"]


def test_a_friends_link_leads_to_the_site_with_the_token_and_sets_nothing(desk: Desk) -> None:
    alice = desk.confirmed(ALICE)
    token = desk.world.links.referral_token(alice.public_id)
    answer = desk.get(f"/r/{token}")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SHOP}/?pv_friend={token}")
    assert "Set-Cookie" not in answer.headers


# ── What is told to scripts ──────────────────────────────────────────────────────────────────────────────────────────


def packed(data: bytes) -> int:
    return len(gzip.compress(data, 9))


def test_the_loader_and_any_box_stay_within_their_budgets(desk: Desk) -> None:
    loader = packed(squeezed("embed")[0].encode())
    assert loader <= 5 * 1024
    heaviest = 0
    for key in ("book", "full", "popup", "bar", "slide-in", "full-screen", "locker", "tested"):
        for lang in ("en", "fa"):
            face = packed(desk.get(f"/b/{key}/face?lang={lang}").data)
            heaviest = max(
                heaviest, loader + packed(squeezed("box")[0].encode()) + packed(squeezed("dates")[0].encode()) + face
            )
    assert heaviest <= 12 * 1024


def test_scripts_name_no_other_host_and_leave_no_global_behind() -> None:
    for name in ("embed", *PARTS_OF_BOX):
        text = squeezed(name)[0]
        assert not re.search(r"https?://[a-z]", text)
        assert not re.search(r"\b(eval|Function)\(|document\.cookie|innerHTML|window\.\w+ ?=", text)


def test_scripts_are_served_for_other_sites_and_kept_by_version(desk: Desk) -> None:
    digest = squeezed("embed")[1]
    answer = desk.get(f"/b/embed.js?v={digest}")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "immutable" in answer.headers["Cache-Control"]
    assert desk.get("/b/embed.js", headers={"If-None-Match": f'"{digest}"'}).status_code == 304
    assert desk.get("/b/nobody.js").status_code == 404


def test_snippets_are_ready_to_copy(desk: Desk) -> None:
    shelved = desk.parts.shelved()
    assert shelved is not None
    inline = snippets("https://mail.example.com", shelved.workspace.boxes["book"], "en")
    assert inline.script.startswith('<div data-parvar="book"></div>')
    assert 'integrity="sha384-' in inline.pinned
    assert 'sandbox="allow-forms' in inline.frame
    popup = snippets("https://mail.example.com", shelved.workspace.boxes["popup"], "fa")
    assert popup.script == '<script async src="https://mail.example.com/b/popup.js"></script>'


def test_what_is_seen_of_a_box_is_spooled_and_names_nobody(desk: Desk) -> None:
    from app.disk.spool_reader import SpoolReader
    from app.disk.visits import read_box

    told = {"metric": "impression", "page": "/blog/one?mail=bob@example.com", "arms": "title:a", "utm_source": "x"}
    answer = desk.client.post(
        "/b/book/count", data=json.dumps(told), content_type="text/plain", headers={"Origin": SHOP}
    )
    assert answer.status_code == 204
    desk.parts.spool.close()
    reader = SpoolReader(desk.folder / "spool")
    (seen,) = [read_box(fact) for fact in reader.take({}).facts]
    assert (seen.box, seen.metric, seen.page, seen.arms, seen.source) == (
        "book",
        "impression",
        "/blog/one",
        ("title:a",),
        "x",
    )


@pytest.mark.parametrize("told", [b"", b"[]", b"{", b'{"metric": "confirm"}', b'{"metric": ["impression"]}'])
def test_a_count_of_something_unknown_is_refused(desk: Desk, told: bytes) -> None:
    assert desk.client.post("/b/book/count", data=told, content_type="text/plain").status_code == 400


@pytest.mark.parametrize("accent", ["#0a7d5a", "#ffffff", "#000000", "#ffcc00", "#777777"])
def test_the_words_on_a_button_can_be_read_whatever_colour_a_file_names(accent: str) -> None:
    looks = looks_of(Theme(accent=accent))
    assert contrast(looks.accent, looks.on_accent) >= READABLE


def test_a_text_that_cannot_be_read_on_its_ground_is_replaced() -> None:
    looks = looks_of(Theme(background="#ffff00", text="#ffffee"))
    assert contrast(looks.ground, looks.ink) >= READABLE


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def catalogue(name: str) -> Catalog:
    with (WEB / "translations/fa/LC_MESSAGES" / name).open("rb") as file:
        return read_mo(file) if name.endswith(".mo") else read_po(file, locale="fa")


def test_the_compiled_catalogue_is_the_one_that_was_written() -> None:
    written, compiled = ({m.id: m.string for m in catalogue(f"messages.{end}") if m.id} for end in ("po", "mo"))
    assert written == compiled


def test_every_word_of_the_pages_has_its_persian() -> None:
    from babel.messages.extract import extract_from_dir

    methods = [("templates/pages/**.html", "jinja2"), ("*.py", "python")]
    known = catalogue("messages.po")
    found = {text for _file, _line, text, *_ in extract_from_dir(str(WEB), methods, keywords={"_": None})}
    assert len(found) > 90
    assert not [text for text in found if text not in known or not known[text].string]
