"""A picture that tells the time left as it is when looked at, and a link that knows when it is over."""

from io import BytesIO

from PIL import Image

from app.core.instants import DAY, HOUR, MINUTE
from app.mail.countdown import Left, time_left
from tests.web.converting import sell
from tests.web.desk import Desk


def path(desk: Desk, span: int, locale: str = "en") -> str:
    return desk.world.links.countdown_url(desk.clock() + span, locale).removeprefix(desk.world.settings.base_url)


def test_the_picture_is_true_whenever_it_is_opened(desk: Desk) -> None:
    where = path(desk, 2 * DAY)
    early = desk.get(where)
    desk.clock.advance(DAY + 90 * MINUTE)
    late = desk.get(where)
    desk.clock.advance(30 * DAY)
    over = desk.get(where)
    assert len({early.data, late.data, over.data}) == 3
    for answer in (early, late, over):
        assert answer.status_code == 200
        assert answer.mimetype == "image/png"
        assert len(answer.data) < 60_000
        assert Image.open(BytesIO(answer.data)).size == (640, 192)


def test_it_says_nothing_about_who_looks(desk: Desk) -> None:
    answer = desk.get(path(desk, DAY))
    assert "Set-Cookie" not in answer.headers
    assert path(desk, DAY) == path(desk, DAY), "everybody with the same end has the same address"


def test_a_copy_is_asked_about_and_kept_while_it_is_true(desk: Desk) -> None:
    where = path(desk, DAY)
    first = desk.get(where)
    assert "no-cache" in first.headers["Cache-Control"]
    tag = {"If-None-Match": first.headers["ETag"]}
    assert desk.get(where, headers=tag).status_code == 304
    desk.clock.advance(MINUTE)
    assert desk.get(where, headers=tag).status_code == 200


def test_persian_readers_see_their_own_picture(desk: Desk) -> None:
    assert desk.get(path(desk, DAY, "fa")).data != desk.get(path(desk, DAY, "en")).data


def test_a_forged_picture_is_not_drawn(desk: Desk) -> None:
    where = path(desk, DAY)
    assert desk.get(where.replace("/countdown/", "/countdown/A")).status_code == 404


def test_time_is_rounded_up_so_that_it_never_presses_more_than_it_should() -> None:
    assert time_left(1) == Left(0, 0, 1)
    assert time_left(0).is_over
    assert time_left(-5 * DAY).is_over
    assert time_left(4 * DAY + 7 * HOUR + 30 * MINUTE) == Left(4, 7, 30)
    assert time_left(10_000 * DAY).days == 999


def test_the_link_of_an_offer_brings_the_code_along_and_after_the_end_leads_elsewhere(desk: Desk) -> None:
    sell(desk)
    url = desk.world.links.offer_url("spring", "SP-4F2K", desk.clock() + DAY)
    where = url.removeprefix(desk.world.settings.base_url)
    assert desk.get(where).headers["Location"] == "https://shop.example.com/?coupon=SP-4F2K"
    desk.clock.advance(DAY)
    assert desk.get(where).headers["Location"] == "https://shop.example.com/offers/ended"
    assert desk.get(where.replace("/g/", "/g/A")).status_code == 404
