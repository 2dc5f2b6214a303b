"""Previews out of the files: every mail of the shop that ships with the product, for everybody made up."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner

from app.actions.inspect import Inspection, inspect, inspect_folder
from app.actions.proof import NoProof, Proof, Wanted, draft_world, proof
from app.cli import main
from app.cli.sheet import sheet
from app.mail.views import without_pictures
from tests.actions.small_site import SITE, WELCOME, sources_of
from tests.services.smtp import Sink

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 9, 21)
NOON = 1_790_000_000_000_000  # Mon 21 Sep 2026 13:33:20 UTC


@pytest.fixture(scope="module")
def shop() -> Inspection:
    found = inspect_folder(ROOT, date(2026, 9, 21))
    assert found.workspace is not None
    return found


def made(shop: Inspection, wanted: Wanted) -> Proof:
    found = proof(draft_world(NOON), shop, wanted)
    assert isinstance(found, Proof), found
    return found


def refused(shop: Inspection, wanted: Wanted) -> NoProof:
    found = proof(draft_world(NOON), shop, wanted)
    assert isinstance(found, NoProof)
    return found


def test_every_mail_of_the_shop_can_be_written_for_somebody_we_know_nothing_of(shop: Inspection) -> None:
    assert len(shop.mails) > 100
    for key, locale in shop.mails:
        found = made(shop, Wanted(key, "nameless", locale))
        assert (found.locale, found.is_clipped) == (locale, False)
        assert not re.search(r"\{\{|\{%|\bNone\b[^ ]|\(\)", found.message.text), (key, locale)


@pytest.mark.parametrize(
    ("mail", "person", "words"),
    [
        ("ready/last-push", "sara", ("سلام سارا", "SAMPLE-2345", "شنبه ۴ مهر ۱۴۰۵")),
        ("ready/last-push", "emma", ("Hello Emma", "SAMPLE-2345", "Saturday 26 September 2026")),
        ("cart/forgot", "emma", ("- A crate of basil", "1,250,000\u00a0toman")),
        ("club/yearly-question", "emma", ("10: https://parvar.example/s/",)),
    ],
)
def test_a_mail_is_shown_with_what_its_step_gives(
    shop: Inspection, mail: str, person: str, words: tuple[str, ...]
) -> None:
    text = re.sub("[\u2066-\u2069\u200f]", "", made(shop, Wanted(mail, person)).message.text)
    for each in words:
        assert each in text


def test_the_locale_asked_for_wins_over_the_readers_own(shop: Inspection) -> None:
    assert made(shop, Wanted("ebook/story", "sara", "en")).locale == "en"
    assert made(shop, Wanted("ebook/story", "sara")).locale == "fa"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Wanted("ebook/stori"), "there is no mail 'ebook/stori'; did you mean ebook/story?"),
        (Wanted("ebook/story", locale="de"), "'ebook/story' is there in en, fa only"),
        (Wanted("ebook/story", "bob"), "there is nobody called 'bob'; people/ has: ali, emma, maryam"),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_way_out(shop: Inspection, wanted: Wanted, reason: str) -> None:
    assert refused(shop, wanted).reason.startswith(reason)


# ── The sheet ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sheet_shows_four_views_and_fetches_nothing(shop: Inspection) -> None:
    page = sheet(made(shop, Wanted("ebook/story", "sara")), has_images=True)
    assert page.count("<iframe sandbox ") == 4
    assert "<script" not in page
    assert "http-equiv" not in page.partition("<body")[0].partition("srcdoc")[0]
    assert "@media (min-width:0px)" in page


def test_without_images_only_their_words_are_left() -> None:
    html = '<p><img width="9" src="https://a.example/x.png" alt="A crate"><IMG SRC="cid:b"></p>'
    assert without_pictures(html) == '<p><img width="9" src="" alt="A crate"><IMG SRC=""></p>'


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sink]:
    with Sink() as server:
        environ = {
            "DATABASE_URL": f"sqlite:///{tmp_path / 'p.db'}",
            "SECRET": "a-secret-of-a-test-0123456789-abcdefgh",
            "BASE_URL": "https://mail.example.com",
            "DATA": str(tmp_path),
            "SMTP_URL": f"{server.url}",
        }
        for name, value in environ.items():
            monkeypatch.setenv(f"PARVAR_{name}", value)
        yield server


OFFER = "offer: spring\ntitle: Spring\ngives: {percent: 10%}\ncodes: {pool: spring}\nends: {days: 5, at: '21:00'}\n"
EMMA = "person: emma\naddress: emma@example.com\nlocale: en\ntimezone: Europe/London\nattributes: {first_name: Emma}\n"
LETTER = "---\nsubject: The code is yours\n---\nHello you, {{ offer.code }} until {{ offer.ends }}.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small site as files, with an offer and Emma."""
    root = tmp_path_factory.mktemp("site")
    texts = sources_of({"welcome": WELCOME.replace("- send: a", "- {send: a, offer: spring}")})
    texts |= {"campaigns/offers/spring.yaml": OFFER, "campaigns/people/emma.yaml": EMMA, "email_templates/a.md": LETTER}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def call(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["preview", "a", *arguments, "--folder", str(folder)])
    return done.exit_code, done.output


def test_the_command_prints_the_reader_the_subject_and_the_size(folder: Path) -> None:
    code, output = call(folder, "--as", "emma", "--at", "1405-06-30")
    assert code == 0
    assert "reader   emma <emma@example.com>" in output
    assert re.search(r"size     \d+\.\d KB of HTML, \d+% of what Gmail shows", output)
    assert "Saturday 26 September 2026" in output


@pytest.mark.parametrize(("option", "begins"), [("--html", "<html>"), ("--text", "Hello"), ("--source", "Date:")])
def test_each_part_can_be_had_alone(folder: Path, option: str, begins: str) -> None:
    code, output = call(folder, option)
    assert (code, output[: len(begins)]) == (0, begins)


def test_a_day_that_does_not_exist_is_refused(folder: Path) -> None:
    code, output = call(folder, "--at", "1404-12-30")
    assert code == 2
    assert "--at" in output


def test_a_test_mail_goes_to_each_seed_address_and_to_nobody_else(folder: Path, sink: Sink) -> None:
    code, output = call(folder, "--send", "one@seed.example", "--send", "two@seed.example")
    assert code == 0, output
    taken = sink.wait_for(2)
    assert [mail.recipients for mail in taken] == [("one@seed.example",), ("two@seed.example",)]
    assert taken[0].message["To"] == "Emma <one@seed.example>"
    assert "https://mail.example.com/u/" in taken[0].message["List-Unsubscribe"]


def test_a_refused_test_mail_is_shown_with_the_servers_words(folder: Path, sink: Sink) -> None:
    sink.refuse("gone@seed.example", "550 5.1.1 nobody of that name")
    code, output = call(folder, "--send", "gone@seed.example")
    assert code == 1
    assert "< 550 5.1.1 nobody of that name" in output


def test_a_mail_with_a_fault_is_not_shown_in_another_language_instead() -> None:
    sources = sources_of({"welcome": WELCOME}, site=SITE.replace("locales: [en]", "locales: [fa, en]"))
    letter = sources.pop("email_templates/a.md")
    broken = letter + "{{ nosuch }}\n"
    inspection = inspect(sources | {"email_templates/a.en.md": letter, "email_templates/a.fa.md": broken}, TODAY)
    found = refused(inspection, Wanted("a", "", ""))
    assert found.reason == "'a' cannot be compiled"
    assert [problem.file for problem in found.findings if problem.code == "unknown-variable"] == [
        "email_templates/a.fa.md"
    ]
    assert made(inspection, Wanted("a", "", "en")).locale == "en"


@pytest.mark.parametrize(("locale", "words"), [("en", "stage: Potential customer"), ("fa", "مرحله: مشتری بالقوه")])
def test_a_notice_to_our_people_names_stages_as_people_call_them(shop: Inspection, locale: str, words: str) -> None:
    assert words in made(shop, Wanted("team/hot-prospect", "", locale)).message.text


# ── Watching ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def copied(folder: Path, to: Path) -> Path:
    """The site in a folder of its own, to be changed."""
    shutil.copytree(folder, to)
    return to


def test_a_change_of_a_file_is_seen_and_the_sheet_written_again(folder: Path, tmp_path: Path) -> None:
    site = copied(folder, tmp_path / "site")
    temp = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "PARVAR_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "app.cli", "preview", "a", "--watch", "--folder", str(site)]
    with subprocess.Popen(command, cwd=ROOT, env=temp, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as watching:
        try:
            assert watching.stdout is not None
            reading = Reading(watching.stdout)
            assert reading.until("The code is yours")
            page = page_in(tmp_path)
            assert '<meta http-equiv="refresh" content="2">' in page.read_text("utf-8")
            mail = site / "email_templates/a.md"
            mail.write_text(mail.read_text("utf-8").replace("The code is yours", "A new subject"), "utf-8")
            assert reading.until("A new subject")
            assert comes_to_say(page, "A new subject")
            mail.write_text("---\nsubject: x\n---\n{{ nothing }}\n", "utf-8")
            assert reading.until("email_templates/a.md changed")
            assert reading.until("unknown-variable"), "a mistake is told, and the watching goes on"
            assert comes_to_say(page, "unknown-variable"), "to the browser too"
            assert watching.poll() is None
            watching.send_signal(signal.SIGINT)
            assert watching.wait(30) == 0
            assert not reading.until("Aborted", 0.1)
        finally:
            watching.kill()


def page_in(folder: Path) -> Path:
    """The page of a preview: its words are told before it is written."""
    until = time.monotonic() + 30
    while not (found := list(folder.glob("parvar-*.html"))) and time.monotonic() < until:
        time.sleep(0.05)
    (page,) = found
    return page


def comes_to_say(page: Path, words: str) -> bool:
    until = time.monotonic() + 30
    while words not in page.read_text("utf-8") and time.monotonic() < until:
        time.sleep(0.05)
    return words in page.read_text("utf-8")


class Reading:
    """The lines of a program, read by a thread, so that waiting for one has an end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._lines.put(line.decode("utf-8", "replace"))

    def until(self, words: str, seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                if words in self._lines.get(timeout=left):
                    return True
            except queue.Empty:
                return False
        return False


def test_the_browser_is_shown_the_sheet(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("app.cli.previewing.gettempdir", lambda: str(tmp_path))
    code, output = call(folder, "--open", "--no-images")
    (page,) = tmp_path.glob("parvar-*.html")
    assert (code, opened) == (0, [page.as_uri()])
    assert str(page) in output
    assert page.read_text("utf-8").count("<iframe sandbox ") == 4
    assert "http-equiv" not in page.read_text("utf-8").partition("<main")[0]
