"""The edge: where clicks lead, what is kept of them, and that nothing but a signature opens a way."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.test import Client, TestResponse

from app.core.instants import SECOND
from app.core.verdicts import Request
from app.disk import spool as spool_module
from app.disk.linkfiles import Destinations, write_link_file
from app.disk.networks import Networks
from app.disk.spool import FactKind, Spool
from app.disk.spool_reader import SpoolReader
from app.disk.touches import MailTouch, read_touch
from app.links import Key, Links
from app.web.edge import PIXEL, SPOOL_FAULT, Edge, EdgeParts

NOW = 1_770_000_000 * SECOND
SHOP = "https://shop.example.com/a?q=%41+b&utm=%DA%A9#top"
PERSIAN = "https://shop.example.com/کتاب?x=1"
LINKS = Links((Key(1, b"k" * 32),), "https://example.com", "https://t.example.com")
TOKEN = LINKS.mail_token(7, 3)
VIEW_TOKEN = LINKS.view_url(7, 3).rsplit("/", 1)[1]  # genuine, but for another door


def behind(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The application behind: says what it was told about the spool."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"behind {environ['PATH_INFO']} {environ[SPOOL_FAULT]}".encode()]


@dataclass
class House:
    """An edge on real parts, and what lies in its spool."""

    folder: Path
    edge: Edge
    spool: Spool

    def get(self, path: str, method: str = "GET", **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.edge).open(path, method=method, headers=named, environ_base={"REMOTE_ADDR": "203.0.113.9"})

    def kept(self) -> list[tuple[int, MailTouch]]:
        facts = SpoolReader(self.folder / "spool").take({}).facts
        assert {fact.at for fact in facts} <= {NOW}
        return [(fact.kind, read_touch(fact)) for fact in facts]


def counter() -> Callable[[], bytes]:
    numbers = iter(range(1, 1 << 30))
    return lambda: next(numbers).to_bytes(16, "big")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    write_link_file(tmp_path / "links", 3, [SHOP, PERSIAN, None, "javascript:alert(1)"])
    spool = Spool(tmp_path / "spool", bytes(16))
    parts = EdgeParts(
        links=LINKS,
        spool=spool,
        destinations=Destinations(tmp_path / "links", None, lambda: NOW),
        networks=Networks(b"n" * 32, ("10.0.0.0/8",)),
        site_url="https://example.com",
        wall=lambda: NOW,
        new_id=counter(),
    )
    yield House(tmp_path, Edge(parts, behind), spool)
    spool.close()


def test_a_click_leads_to_the_stored_target_byte_for_byte_and_is_kept(house: House) -> None:
    answer = house.get(f"/c/{TOKEN}/0", User_Agent="Lynx/2.9")
    assert (answer.status_code, answer.headers["Location"], answer.data) == (302, SHOP, b"")
    assert answer.headers["Cache-Control"] == "no-store, private"
    [(kind, touch)] = house.kept()
    assert kind == FactKind.CLICK
    assert (touch.message, touch.version, touch.link, touch.agent, touch.request) == (7, 3, 0, "Lynx/2.9", Request.GET)
    assert len(touch.network) == 16


def test_nothing_of_the_address_or_the_referring_page_is_kept(house: House) -> None:
    house.get(f"/c/{TOKEN}/0?mail=alice@example.com", Referer="https://secret.example/", Cookie="a=b")
    spooled = b"".join(path.read_bytes() for path in (house.folder / "spool").iterdir())
    assert all(word not in spooled for word in (b"203.0.113", b"secret", b"alice", b"a=b"))


def test_a_target_beyond_ascii_is_percent_encoded(house: House) -> None:
    assert house.get(f"/c/{TOKEN}/1").headers["Location"] == "https://shop.example.com/%DA%A9%D8%AA%D8%A7%D8%A8?x=1"


def test_a_personal_target_travels_in_its_own_path(house: House) -> None:
    path = LINKS.target_url(TOKEN, 2, SHOP).removeprefix("https://t.example.com")
    assert house.get(path).headers["Location"] == SHOP
    assert [touch.link for _, touch in house.kept()] == [2]


@pytest.mark.parametrize(
    "path",
    [
        "/c/",
        "/c/forged/0",
        f"/c/{TOKEN[:-1]}/0",
        f"/c/{TOKEN[:-1]}A/0",
        f"/c/{TOKEN}",
        f"/c/{TOKEN}/",
        f"/c/{TOKEN}/00",
        f"/c/{TOKEN}/-1",
        f"/c/{TOKEN}/+1",
        f"/c/{TOKEN}/۱",
        f"/c/{TOKEN}/4",
        f"/c/{TOKEN}/99999",
        f"/c/{TOKEN}/2",
        f"/c/{TOKEN}/3",
        f"/c/{TOKEN}/0/",
        f"/c/{TOKEN}/0/https://evil.example",
        f"/c/{TOKEN}/0/aHR0cHM6Ly9ldmlsLmV4YW1wbGU",
        f"/c/{TOKEN}/0/a/b",
        f"/c/{VIEW_TOKEN}/0",
    ],
)
def test_a_click_that_is_not_ours_leads_nowhere_and_is_not_kept(house: House, path: str) -> None:
    answer = house.get(path)
    assert answer.status_code == 404
    assert "Location" not in answer.headers
    assert house.kept() == []


def test_a_query_cannot_name_a_target(house: House) -> None:
    assert house.get(f"/c/{TOKEN}/0?url=https://evil.example&to=//evil.example").headers["Location"] == SHOP


def test_a_personal_signature_does_not_open_another_link_or_mail(house: House) -> None:
    signed = LINKS.target_url(TOKEN, 2, "https://shop.example.com/").rsplit("/", 1)[1]
    assert house.get(f"/c/{TOKEN}/0/{signed}").status_code == 404
    assert house.get(f"/c/{LINKS.mail_token(8, 3)}/2/{signed}").status_code == 404


@pytest.mark.parametrize(("language", "word"), [("fa-IR,fa;q=0.9", "پیوند"), ("en", "link"), ("", "link")])
def test_the_page_for_a_dead_link_speaks_the_readers_language(house: House, language: str, word: str) -> None:
    answer = house.get("/c/forged/0", Accept_Language=language)
    assert word in answer.text
    assert answer.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("token", [TOKEN, "forged", "", TOKEN + "x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_the_pixel_is_always_the_picture(house: House, token: str, method: str) -> None:
    answer = house.get(f"/o/{token}.gif", method)
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "43")
    assert answer.data == (b"" if method == "HEAD" else PIXEL)
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert len(house.kept()) == (token == TOKEN and method != "POST")


@pytest.mark.parametrize(
    ("method", "headers", "status", "wanted"),
    [
        ("HEAD", {}, 302, Request.HEAD),
        ("OPTIONS", {}, 204, Request.OPTIONS),
        ("GET", {"Sec_Purpose": "prefetch;prerender"}, 302, Request.PREFETCH),
        ("GET", {"Purpose": "prefetch"}, 302, Request.PREFETCH),
        ("GET", {"X_Purpose": "preview"}, 302, Request.PREFETCH),
        ("GET", {"X_Moz": "prefetch"}, 302, Request.PREFETCH),
        ("GET", {"Purpose": "reading"}, 302, Request.GET),
    ],
)
def test_machines_that_say_so_are_answered_and_kept_as_what_they_are(
    house: House, method: str, headers: dict[str, str], status: int, wanted: Request
) -> None:
    assert house.get(f"/c/{TOKEN}/0", method, **headers).status_code == status
    assert house.get(f"/o/{TOKEN}.gif", method, **headers).status_code == 200
    assert [touch.request for _, touch in house.kept()] == [wanted, wanted]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_click_cannot_be_posted(house: House, method: str) -> None:
    assert house.get(f"/c/{TOKEN}/0", method).status_code == 405
    assert house.kept() == []


def test_an_unknown_version_leads_to_the_site_and_the_click_is_kept(house: House) -> None:
    token = LINKS.mail_token(7, 99)
    assert house.get(f"/c/{token}/5").headers["Location"] == "https://example.com"
    assert [(touch.version, touch.link) for _, touch in house.kept()] == [(99, 5)]
    write_link_file(house.folder / "links", 99, ["https://a.ir"] * 6)
    assert house.get(f"/c/{token}/5").headers["Location"] == "https://a.ir"


def test_a_reader_reaches_the_target_while_the_disk_is_full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_flush", full)
        assert house.get(f"/c/{TOKEN}/0").headers["Location"] == SHOP
        assert house.get(f"/o/{TOKEN}.gif").data == PIXEL
        assert house.edge.lost == 2
        assert house.get("/health/live").text == '{"live":true,"spool":"failing"}'
        assert "No space left" in house.get("/health").text
    house.get(f"/c/{TOKEN}/0")
    assert house.get("/health/live").text == '{"live":true,"spool":"ok"}'
    assert house.edge.lost == 2
    assert len(house.kept()) == 1


def test_everything_else_is_the_applications(house: House) -> None:
    for path in ("/", "/u/x", "/confirm/x", "/cc/", "/health", "/c", "/o"):
        assert house.get(path).text == f"behind {path} None"
    assert house.kept() == []


def test_people_behind_a_trusted_proxy_are_told_apart(house: House) -> None:
    client = Client(house.edge)
    for seen in ("198.51.100.1", "203.0.113.1"):
        client.get(
            f"/c/{TOKEN}/0", environ_base={"REMOTE_ADDR": "10.0.0.1"}, headers={"X-Forwarded-For": f"192.0.2.1, {seen}"}
        )
    networks = {touch.network for _, touch in house.kept()}
    assert len(networks) == 2


def test_many_readers_at_once_are_all_answered_and_all_kept(house: House) -> None:
    statuses: list[int] = []

    def read() -> None:
        statuses.extend(house.get(f"/c/{TOKEN}/0").status_code for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [302] * 80
    assert len(house.kept()) == 80
