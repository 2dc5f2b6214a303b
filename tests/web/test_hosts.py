"""The whole web side as it is wired: a tracking host of its own, and a secret that was changed."""

from pathlib import Path

import pytest
from werkzeug.test import Client

from app.disk.linkfiles import write_link_file
from app.disk.spool_reader import SpoolReader
from app.main import build_world, create_app
from app.settings import read
from app.web.hosts import has_own_host
from app.world import World

OLD = "the first secret of this test and long enough"
NEW = "quite another secret which is also long enough"


def environ(url: str, folder: Path, **more: str) -> dict[str, str]:
    return {
        "PARVAR_DATABASE_URL": url,
        "PARVAR_SECRET": OLD,
        "PARVAR_DATA": str(folder),
        "PARVAR_BASE_URL": "https://news.example.com",
        **{f"PARVAR_{name}": value for name, value in more.items()},
    }


def kept(folder: Path) -> int:
    return len(SpoolReader(folder / "spool").take({}, limit=100).facts)


@pytest.mark.parametrize("host", ["t.example.com", "T.example.com", "t.example.com:443"])
def test_a_tracking_host_answers_what_mails_ask_for_and_nothing_else(
    sqlite_database_url: str, tmp_path: Path, host: str
) -> None:
    world = build_world(read(environ(sqlite_database_url, tmp_path, TRACKING_URL="https://t.example.com")))
    web = Client(create_app(world))
    write_link_file(tmp_path / "links", 7, ["https://shop.example.com/a"])
    token = world.links.mail_token(1, 7)
    click, pixel = world.links.click_url(token, 0), world.links.open_url(token)
    assert click.startswith("https://t.example.com/c/")
    assert pixel.startswith("https://t.example.com/o/")

    def ask(path: str, named: str) -> int:
        return web.get(path, headers={"Host": named}).status_code

    assert ask(click.removeprefix("https://t.example.com"), host) == 302
    assert ask(pixel.removeprefix("https://t.example.com"), host) == 200
    assert ask("/health/live", host) == 200
    for path in ("/", "/health", "/dashboard/", "/u/x", "/p/x", "/boxes.js", "/static/x.css", "/api/v1/orders"):
        assert ask(path, host) == 404
    assert b"leads nowhere" in web.get("/health", headers={"Host": host, "Accept-Language": "en"}).data
    assert b"database" in web.get("/health", headers={"Host": "news.example.com"}).data
    assert kept(tmp_path) == 2
    world.database.dispose()


def test_pages_that_are_the_persons_own_stay_on_the_sites_host(sqlite_database_url: str, tmp_path: Path) -> None:
    world = build_world(read(environ(sqlite_database_url, tmp_path, TRACKING_URL="https://t.example.com")))
    assert world.links.unsubscribe_url(b"p" * 16, 1).startswith("https://news.example.com/u/")
    world.database.dispose()


@pytest.mark.parametrize(
    ("tracking", "base", "wanted"),
    [
        ("", "https://news.example.com", False),
        ("https://news.example.com", "https://news.example.com", False),
        ("https://T.example.com", "https://news.example.com", True),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8000", True),
    ],
)
def test_pages_leave_only_a_host_that_is_not_theirs(tracking: str, base: str, wanted: bool) -> None:
    assert has_own_host(tracking, base) is wanted


def test_a_new_secret_signs_new_mails_and_links_already_sent_still_lead_there(
    sqlite_database_url: str, tmp_path: Path
) -> None:
    write_link_file(tmp_path / "links", 7, ["https://shop.example.com/a"])
    before = build_world(read(environ(sqlite_database_url, tmp_path)))
    sent = before.links.mail_token(1, 7)
    left = before.links.unsubscribe_url(b"p" * 16, 1)
    before.database.dispose()
    after = build_world(read(environ(sqlite_database_url, tmp_path, SECRET=NEW, OLD_SECRETS=OLD)))
    third = build_world(read(environ(sqlite_database_url, tmp_path, SECRET=NEW[::-1], OLD_SECRETS=f"{NEW}, {OLD}")))
    lost = build_world(read(environ(sqlite_database_url, tmp_path, SECRET=NEW)))
    fresh = after.links.mail_token(1, 7)
    assert fresh != sent

    def where(world: World, token: str) -> tuple[int, str | None]:
        answer = Client(create_app(world)).get(f"/c/{token}/0")
        return answer.status_code, answer.headers.get("Location", "").partition("#")[0]

    home = (302, "https://shop.example.com/a")
    assert [where(after, sent), where(after, fresh), where(third, sent), where(third, fresh)] == [home] * 4
    assert where(lost, sent)[0] == 404
    assert where(before, fresh)[0] == 404  # the old key did not sign it
    assert after.links.read_unsubscribe(left.rpartition("/")[2]) is not None
    for world in (after, third, lost):
        world.database.dispose()
