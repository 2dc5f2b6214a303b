"""The beacon: exact origins, nothing believed, durable before the reply; and the script it hands out."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.test import Client, TestResponse

from app.core.instants import MINUTE, SECOND
from app.disk.linkfiles import Destinations, write_link_file
from app.disk.networks import Networks
from app.disk.spool import FactKind, Spool
from app.disk.spool_reader import SpoolReader
from app.disk.visits import PageFact, read_page
from app.links import Key, Links
from app.web.beacon import Beacon, BeaconParts, Origins
from app.web.edge import Edge, EdgeParts
from tests.services.clock import Clock

SHOP = "https://shop.example.com"
LINKS = Links((Key(1, b"k" * 32),), "https://example.com", "https://t.example.com")


def behind(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"behind"]


class House:
    def __init__(self, folder: Path, clock: Clock) -> None:
        numbers = iter(range(1, 10_000))
        self.clock, self.folder = clock, folder
        self.known = [SHOP]
        self.spool = Spool(folder / "spool", b"i" * 16)
        self.origins = Origins(lambda: self.known, clock)
        new_id = lambda: next(numbers).to_bytes(16, "big")  # noqa: E731
        parts = BeaconParts(self.spool, Networks(b"n" * 32, ()), self.origins, clock, new_id, most=5)
        self.beacon = Beacon(parts, behind)
        destinations = Destinations(folder / "links", None, clock)
        edge = EdgeParts(LINKS, self.spool, destinations, Networks(b"n" * 32, ()), SHOP, clock, new_id, (SHOP,))
        self.client = Client(Edge(edge, self.beacon))

    def tell(self, body: object, origin: str = SHOP, method: str = "POST", agent: str = "Firefox") -> TestResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Origin": origin, "User-Agent": agent, "Content-Type": "text/plain"}
        remote = {"REMOTE_ADDR": "203.0.113.9"}
        return self.client.open("/e", method=method, data=raw, headers=headers, environ_base=remote)

    def kept(self) -> list[tuple[int, int, PageFact]]:
        facts = SpoolReader(self.folder / "spool").take({}).facts
        return [(fact.kind, fact.at, read_page(fact)) for fact in facts]


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    built = House(tmp_path, clock)
    yield built
    built.spool.close()


def test_a_page_view_and_an_event_lie_in_the_spool_before_the_reply(house: House) -> None:
    token = LINKS.mail_token(7, 3)
    told = {"v": "a1b2", "i": token, "l": "fa", "f": [[2_000, "/pricing", "", []], [0, "/cart", "cart", [["n", 3]]]]}
    answer = house.tell(told)
    assert (answer.status_code, answer.data) == (204, b"")
    (seen, done) = house.kept()
    assert seen[:2] == (FactKind.VISIT, house.clock() - 2 * SECOND)
    assert done[:2] == (FactKind.EVENT, house.clock())
    assert (seen[2].path, seen[2].identity, seen[2].visitor, seen[2].agent) == ("/pricing", token, "a1b2", "Firefox")
    assert (done[2].name, done[2].fields, done[2].site) == ("cart", (("n", 3),), SHOP)
    assert "203.0.113" not in repr(house.kept())


def test_only_exact_origins_may_tell_and_the_answer_names_them(house: House) -> None:
    told = {"f": [[0, "/", "", []]]}
    good = house.tell(told)
    assert good.headers["Access-Control-Allow-Origin"] == SHOP
    assert good.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in good.headers
    assert "Set-Cookie" not in good.headers
    for other in ("", "null", "https://shop.example.com.evil.net", "http://shop.example.com", f"{SHOP}:8443", "*"):
        refused = house.tell(told, origin=other)
        assert refused.status_code == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert len(house.kept()) == 1


def test_a_preflight_is_answered_and_counts_nothing(house: House) -> None:
    answer = house.tell(b"", method="OPTIONS")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert house.tell(b"", method="GET").status_code == 405
    assert not house.kept()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"f":3}',
        b'{"f":[[0,"/"]]}',
        b'{"f":[["0","/","",[]]]}',
        b'{"f":[[0,"https://evil.example","",[]]]}',
        b'{"f":[[0,"/\\ud800","",[]]]}',
        b'{"f":[[0,"/","x",[["a",{"b":1}]]]]}',
        b'{"v":"a b","f":[]}',
        json.dumps({"f": [[0, "/", "", []]] * 21}).encode(),
        json.dumps({"f": [[0, "/", "x" * 65, []]]}).encode(),
    ],
)
def test_what_our_script_does_not_send_is_refused_whole(house: House, body: bytes) -> None:
    assert house.tell(body).status_code == 400
    assert not house.kept()


def test_a_long_body_is_not_even_read(house: House) -> None:
    assert house.tell(b" " * 16_385).status_code == 413


def test_an_age_cannot_lie_in_the_future_nor_long_ago(house: House) -> None:
    house.tell({"f": [[-5_000, "/", "", []], [10**12, "/", "", []]]})
    assert [at for _, at, _ in house.kept()] == [house.clock(), house.clock() - 30 * MINUTE]


def test_a_flood_from_one_network_is_stopped_for_the_minute(house: House) -> None:
    answers = [house.tell({"f": []}).status_code for _ in range(7)]
    assert answers == [204] * 5 + [429] * 2
    house.clock.advance(MINUTE)
    assert house.tell({"f": []}).status_code == 204


def test_new_origins_are_known_after_a_while_and_a_failed_look_forgets_none(house: House) -> None:
    def fail() -> list[str]:
        raise OSError("the database is away")

    house.known.append("https://other.example.com")
    house.origins.refresh()
    assert "https://other.example.com" in house.origins
    house.origins._look = fail
    house.origins.refresh()
    assert SHOP in house.origins


def test_a_full_disk_is_no_fault_of_the_page(house: House) -> None:
    house.spool.close()
    assert house.tell({"f": [[0, "/", "", []]]}).status_code == 204
    assert house.beacon.lost == 1


def test_the_script_is_small_the_same_for_all_and_never_personal(house: House) -> None:
    answer = house.client.get("/site.js", headers={"Accept-Encoding": "gzip"})
    assert len(answer.data) <= 3_000
    text = gzip.decompress(answer.data).decode()
    assert "document" in text
    assert not any(word in text for word in ("cookie", "eval(", "innerHTML", "XMLHttpRequest"))
    assert "Set-Cookie" not in answer.headers
    again = house.client.get("/site.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert house.client.get("/site.js").data.decode() == text


def test_what_is_not_the_beacons_goes_to_the_application(house: House) -> None:
    assert house.client.get("/elsewhere").data == b"behind"
    assert house.client.post("/site.js").data == b"behind"


# ── The edge tells a page of ours whose mail led there ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "is_told"),
    [
        (SHOP, True),
        (f"{SHOP}/a?q=%41+b", True),
        (f"{SHOP}?x=1", True),
        (f"{SHOP}/a#part", False),
        ("https://shop.example.com.evil.net/", False),
        ("https://elsewhere.example.net/", False),
    ],
)
def test_only_pages_of_ours_learn_whose_mail_led_there(house: House, target: str, is_told: bool) -> None:
    write_link_file(house.folder / "links", 3, [target])
    token = LINKS.mail_token(7, 3)
    where = house.client.get(f"/c/{token}/0").headers["Location"]
    assert where == (f"{target}#pv={token}" if is_told else target)
