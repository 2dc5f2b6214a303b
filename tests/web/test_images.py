"""Pictures of mails: published with them, asked for by everybody's mail program."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from app.actions.inspect import Inspection, inspect
from app.actions.nightly import PICTURES_FOR, sweep_pictures
from app.actions.publish import Authorship, Published, apply
from app.store.pictures import PictureRow, keep
from tests.web.desk import Desk
from tests.web.small_site import sources

MAIL = "---\nsubject: S\nservice: true\n---\n![A crate]({picture}){{width=280}}\n"


def png(size: tuple[int, int], colour: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def site(folder: Path, **pictures: bytes) -> Inspection:
    """The small site, whose box delivers a mail with a picture."""
    (folder / "email_templates/images").mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        (folder / "email_templates/images" / f"{name.replace('_2x', '@2x')}.png").write_bytes(data)
    mail = MAIL.format(picture="images/crate.png")
    texts = {f"email_templates/book/deliver.{locale}.md": mail for locale in ("en", "fa")}
    inspection = inspect(sources() | texts, date(2026, 3, 1), folder)
    assert not inspection.errors, inspection.errors
    return inspection


def published(desk: Desk, inspection: Inspection) -> tuple[str, bool]:
    """The public address of the picture in the English mail, and whether this was a new release."""
    done = apply(desk.world, inspection, Authorship("tests"))
    assert isinstance(done, Published)
    return image_in(inspection.mails["book/deliver", "en"].html), done.is_new


def image_in(html: str) -> str:
    found = re.search(r"_images[^}]*\}\}(/[0-9a-f]{24}\.png)", html)
    assert found is not None
    return f"/i{found[1]}"


@pytest.fixture
def red() -> bytes:
    return png((280, 90), "red")


def test_a_picture_is_served_as_it_lay_beside_the_mail_and_kept_for_ever(
    desk_on_both: Desk, tmp_path: Path, red: bytes
) -> None:
    address, _ = published(desk_on_both, site(tmp_path, crate=red))
    answer = desk_on_both.get(address)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "image/png", red)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers


def test_who_has_it_already_is_told_so(desk: Desk, tmp_path: Path, red: bytes) -> None:
    address, _ = published(desk, site(tmp_path, crate=red))
    etag = desk.get(address).headers["ETag"]
    again = desk.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


def test_a_changed_picture_is_a_new_release_and_the_old_one_stays_for_old_mails(
    desk: Desk, tmp_path: Path, red: bytes
) -> None:
    old, _ = published(desk, site(tmp_path, crate=red))
    new, is_new = published(desk, site(tmp_path, crate=png((280, 90), "green")))
    assert is_new
    assert old != new
    assert desk.get(old).data == red
    assert desk.get(new).status_code == 200


def test_two_languages_share_one_picture(desk: Desk, tmp_path: Path, red: bytes) -> None:
    published(desk, site(tmp_path, crate=red))
    with desk.world.transaction("read") as session:
        assert session.scalar(select(func.count()).select_from(PictureRow)) == 1


def test_the_double_size_is_sent_at_the_same_width(desk: Desk, tmp_path: Path, red: bytes) -> None:
    sharp = png((560, 180), "red")
    inspection = site(tmp_path, crate=red, crate_2x=sharp)
    address, _ = published(desk, inspection)
    assert desk.get(address).data == sharp
    shown = re.search(r"<img[^>]*_images[^>]*>", inspection.mails["book/deliver", "en"].html)
    assert shown is not None
    assert 'width="280"' in shown[0]
    assert 'height="90"' in shown[0]


@pytest.mark.parametrize(
    "name", ["0" * 24 + ".png", "0" * 24 + ".svg", "crate.png", "..%2f..%2fparvar.db", "0" * 24 + ".png%00", ""]
)
def test_nothing_but_published_pictures_is_served(desk: Desk, tmp_path: Path, red: bytes, name: str) -> None:
    published(desk, site(tmp_path, crate=red))
    assert desk.get(f"/i/{name}").status_code == 404


def pictures(desk: Desk) -> set[str]:
    with desk.world.transaction("read") as session:
        return set(session.scalars(select(PictureRow.name)))


def test_the_nightly_sweep_keeps_what_any_stored_version_shows_and_drops_the_rest(
    desk_on_both: Desk, tmp_path: Path, red: bytes
) -> None:
    desk = desk_on_both
    old, _ = published(desk, site(tmp_path, crate=red))
    new, _ = published(desk, site(tmp_path, crate=png((280, 90), "blue")))
    with desk.world.transaction("write") as session:
        keep(session, {"0" * 24 + ".png": red}, desk.clock())
        keep(session, {"f" * 24 + ".gif": red}, desk.clock() + 2 * PICTURES_FOR)
    assert sweep_pictures(desk.world) == 0, "nothing is dropped in its first week"
    desk.clock.advance(PICTURES_FOR + 1)
    assert sweep_pictures(desk.world) == 1
    assert pictures(desk) == {old.rpartition("/")[2], new.rpartition("/")[2], "f" * 24 + ".gif"}
    assert desk.get(old).status_code == 200, "mails sent before go on showing their picture"


def test_a_publication_during_the_sweep_leaves_every_picture_where_it_is(
    desk: Desk, tmp_path: Path, red: bytes
) -> None:
    inspection = site(tmp_path, crate=red)
    name = next(iter(inspection.pictures))
    with desk.world.transaction("write") as session:
        keep(session, inspection.pictures, desk.clock())
    desk.clock.advance(PICTURES_FOR + 1)
    published_now: list[bool] = []

    def publish_meanwhile() -> None:
        if not published_now:
            published_now.append(True)
            published(desk, inspection)

    assert sweep_pictures(replace(desk.world, rest=publish_meanwhile)) == 0
    assert published_now
    assert pictures(desk) == {name}
