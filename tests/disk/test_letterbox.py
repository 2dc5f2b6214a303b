"""The letterbox: what was dropped is there, once, until somebody has acted upon it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.disk.letterbox import Letterbox


def test_what_was_dropped_comes_out_as_it_went_in(tmp_path: Path) -> None:
    box = Letterbox(tmp_path / "box")
    box.drop(b"Subject: a\r\n\r\n\xff\n", "b+token@example.com")
    (found,) = box.waiting()
    assert (found.raw, found.envelope_to) == (b"Subject: a\r\n\r\n\xff\n", "b+token@example.com")
    box.forget(found)
    box.forget(found)
    assert box.waiting() == []


def test_the_same_mail_dropped_twice_is_one(tmp_path: Path) -> None:
    box = Letterbox(tmp_path)
    for _ in range(2):
        box.drop(b"a")
    box.drop(b"a", "somebody@example.com")
    assert len(box.waiting()) == 2


def test_a_half_written_mail_is_nobodys(tmp_path: Path) -> None:
    box = Letterbox(tmp_path)
    box.drop(b"whole")
    (tmp_path / "tmp" / "half.1").write_bytes(b"ha")
    assert [each.raw for each in Letterbox(tmp_path).waiting()] == [b"whole"]


def test_what_is_set_aside_is_kept_out_of_the_way(tmp_path: Path) -> None:
    box = Letterbox(tmp_path)
    box.drop(b"strange")
    box.set_aside(box.waiting()[0])
    assert box.waiting() == []
    assert [each.read_bytes() for each in (tmp_path / "aside").iterdir()] == [b"\nstrange"]


def test_a_line_end_in_an_envelope_hides_nothing(tmp_path: Path) -> None:
    box = Letterbox(tmp_path)
    box.drop(b"Subject: a\n", "x@example.com\nSubject: b")
    assert box.waiting()[0].raw == b"Subject: a\n"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "box").write_text("a file")
    with pytest.raises(OSError, match="box"):
        Letterbox(tmp_path / "box").drop(b"a")
    assert Letterbox(tmp_path / "none").waiting() == []
