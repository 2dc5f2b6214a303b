"""Reading the spool back: torn tails, positions, and never deleting what somebody still writes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.disk.spool import MARK, Fact, FactKind, Spool, SpoolLimits, encode
from app.disk.spool_reader import Batch, SpoolReader

NAME = "00000000000000aa-00000001.spool"


def fact(number: int, body: bytes = b"{}") -> Fact:
    return Fact(FactKind.OPEN, 1_000 + number, number.to_bytes(16, "big"), body)


def write(folder: Path, data: bytes) -> SpoolReader:
    (folder / NAME).write_bytes(data)
    return SpoolReader(folder)


def read(reader: SpoolReader, offset: int = 0) -> list[Fact]:
    return [stored.fact for stored in reader.read(NAME, offset)]


@given(cut=st.integers(min_value=0, max_value=3 * len(encode(fact(0)))))
def test_a_torn_tail_costs_only_the_torn_record(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    data = b"".join(encode(fact(n)) for n in range(3))
    reader = write(tmp_path_factory.mktemp("spool"), data[:cut])
    assert read(reader) == [fact(n) for n in range(cut // len(encode(fact(0))))]


@given(place=st.integers(min_value=0, max_value=len(encode(fact(0))) - 1))
def test_a_damaged_record_in_an_abandoned_segment_does_not_hide_those_behind_it(
    tmp_path_factory: pytest.TempPathFactory, place: int
) -> None:
    data = bytearray(encode(fact(0)) + encode(fact(1)))
    data[place] ^= 0x55
    assert read(write(tmp_path_factory.mktemp("spool"), bytes(data))) == [fact(1)]


def test_a_record_cut_in_the_middle_and_followed_by_zeros_and_more_is_stepped_over(tmp_path: Path) -> None:
    whole = encode(fact(2, b"behind the hole"))
    reader = write(tmp_path, encode(fact(0)) + encode(fact(1))[:20] + bytes(4096) + whole + bytes(100))
    assert read(reader) == [fact(0), fact(2, b"behind the hole")]


def test_text_inside_a_torn_record_is_never_taken_for_a_record(tmp_path: Path) -> None:
    forged = encode(fact(7)).decode("latin-1").encode()  # what a browser name could smuggle in, as UTF-8
    assert MARK not in forged
    assert read(write(tmp_path, encode(fact(1, forged))[:-1] + b"?")) == []


def test_reading_goes_on_behind_a_remembered_position(tmp_path: Path) -> None:
    reader = write(tmp_path, encode(fact(0)) + encode(fact(1)))
    first = next(reader.read(NAME))
    assert read(reader, first.end) == [fact(1)]


def test_a_live_segment_is_not_finished_and_a_closed_one_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(16))
    spool.append(fact(1))
    reader = SpoolReader(tmp_path)
    live = reader.take({})
    spool.close()
    closed = reader.take(dict(live.positions))
    assert (live.facts, live.finished) == ((fact(1),), ())
    assert (closed.facts, closed.finished) == ((), reader.segments())


def test_a_batch_stops_at_its_limit_and_the_next_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(16), SpoolLimits(segment_bytes=120))
    for number in range(7):
        spool.append(fact(number))
    spool.close()
    reader, positions, seen = SpoolReader(tmp_path), dict[str, int](), list[Fact]()
    while batch := reader.take(positions, limit=3):
        seen.extend(batch.facts)
        positions.update(batch.positions)
        for name in batch.finished:
            reader.delete(name)
    assert seen == [fact(n) for n in range(7)]
    assert reader.segments() == ()


def test_a_crash_between_commit_and_delete_brings_no_fact_twice(tmp_path: Path) -> None:
    reader = write(tmp_path, encode(fact(0)) + encode(fact(1)))
    committed = reader.take({})
    again = SpoolReader(tmp_path).take(dict(committed.positions))
    assert (again.facts, again.finished) == ((), (NAME,))


def test_the_oldest_fact_waiting_is_known(tmp_path: Path) -> None:
    reader = write(tmp_path, encode(fact(5)) + encode(fact(9)))
    first = next(reader.read(NAME))
    assert reader.oldest_at({}) == fact(5).at
    assert reader.oldest_at({NAME: first.end}) == fact(9).at
    assert reader.oldest_at(dict(reader.take({}).positions)) is None


def test_deleting_twice_is_nothing_and_other_names_are_refused(tmp_path: Path) -> None:
    reader = write(tmp_path, b"")
    reader.delete(NAME)
    reader.delete(NAME)
    with pytest.raises(ValueError, match="not the name of a segment"):
        reader.delete("../parvar.db")


def test_segments_that_died_before_birth_are_swept_and_never_read(tmp_path: Path) -> None:
    (tmp_path / NAME).with_suffix(".new").write_bytes(encode(fact(0)))
    reader = SpoolReader(tmp_path)
    assert reader.take({}) == Batch((), (), ())
    reader.sweep()
    assert list(tmp_path.iterdir()) == []
