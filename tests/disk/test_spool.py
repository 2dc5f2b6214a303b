"""The spool: durable before the reply, one dead caller harms nobody, a full disk is said aloud."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.disk import spool as spool_module
from app.disk.spool import Fact, FactKind, Spool, SpoolError, SpoolLimits, encode
from app.disk.spool_reader import SpoolReader

INCARNATION = bytes(range(16))


def fact(number: int, body: bytes = b"{}") -> Fact:
    return Fact(FactKind.CLICK, 1_700_000_000_000_000 + number, number.to_bytes(16, "big"), body)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path, INCARNATION)
    yield opened
    opened.close()


def broken_flush(fd: int) -> None:
    raise OSError(5, "Input/output error")


def facts_in(folder: Path) -> list[Fact]:
    reader = SpoolReader(folder)
    return [stored.fact for name in reader.segments() for stored in reader.read(name)]


def test_a_fact_can_be_read_as_soon_as_append_has_returned(spool: Spool, tmp_path: Path) -> None:
    spool.append(fact(1, '{"نام":"کتاب"}'.encode()))
    assert facts_in(tmp_path) == [fact(1, '{"نام":"کتاب"}'.encode())]


def test_several_facts_in_one_call_lie_in_their_order(spool: Spool, tmp_path: Path) -> None:
    spool.append(fact(1), fact(2), fact(3))
    assert facts_in(tmp_path) == [fact(1), fact(2), fact(3)]


def test_callers_at_the_same_time_share_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    held = threading.Event()

    def slow_flush(fd: int) -> None:
        held.wait(5)
        flushes.append(fd)

    monkeypatch.setattr(spool_module, "_flush", slow_flush)
    spool = Spool(tmp_path, INCARNATION, SpoolLimits(patience=5))
    threads = [threading.Thread(target=spool.append, args=(fact(n),)) for n in range(40)]
    for thread in threads:
        thread.start()
    held.set()
    for thread in threads:
        thread.join()
    spool.close()
    assert sorted(facts_in(tmp_path), key=lambda f: f.at) == [fact(n) for n in range(40)]
    assert 1 <= len(flushes) < 40


def test_a_batch_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    held = threading.Event()
    write_all = spool_module._write_all

    def counting(fd: int, data: bytes, offset: int) -> None:
        if data.startswith(spool_module.MARK):
            held.wait(5)
            sizes.append(data.count(spool_module.MARK))
        write_all(fd, data, offset)

    monkeypatch.setattr(spool_module, "_write_all", counting)
    spool = Spool(tmp_path, INCARNATION, SpoolLimits(batch=4, patience=5))
    threads = [threading.Thread(target=spool.append, args=(fact(n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    held.set()
    for thread in threads:
        thread.join()
    spool.close()
    assert sum(sizes) == 20
    assert max(sizes) <= 4


def test_a_failed_flush_reaches_every_waiter_of_its_batch_and_only_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()
    broken.set()
    real = spool_module._flush

    def flush(fd: int) -> None:
        if broken.is_set():
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(spool_module, "_flush", flush)
    spool = Spool(tmp_path, INCARNATION)
    errors: list[str] = []

    def try_append(number: int) -> None:
        try:
            spool.append(fact(number))
        except SpoolError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=try_append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 8
    assert "Input/output error" in (spool.fault or "")
    broken.clear()
    spool.append(fact(99))
    assert spool.fault is None
    spool.close()
    assert facts_in(tmp_path)[-1] == fact(99)


def test_nothing_is_ever_written_behind_a_failed_write(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(fact(1))
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_flush", broken_flush)
        with pytest.raises(SpoolError):
            spool.append(fact(2))
    spool.append(fact(3))
    names = SpoolReader(tmp_path).segments()
    assert len(names) == 2
    assert [stored.fact for stored in SpoolReader(tmp_path).read(names[-1])] == [fact(3)]


def test_a_caller_that_gave_up_never_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(spool_module, "_flush", lambda fd: held.wait(5))
    spool = Spool(tmp_path, INCARNATION, SpoolLimits(patience=0.2))
    with pytest.raises(SpoolError, match="in time"):
        spool.append(fact(1))
    held.set()
    patient = Fact(FactKind.VISIT, 5, bytes(16), b"later")
    for _ in range(50):
        spool.append(patient)
    spool.close()
    assert facts_in(tmp_path)[:2] == [fact(1), patient]


def test_segments_rotate_by_size_and_keep_every_fact(tmp_path: Path) -> None:
    spool = Spool(tmp_path, INCARNATION, SpoolLimits(segment_bytes=300))
    for number in range(20):
        spool.append(fact(number, b"x" * 60))
    spool.close()
    assert len(SpoolReader(tmp_path).segments()) == 7
    assert facts_in(tmp_path) == [fact(number, b"x" * 60) for number in range(20)]


def test_two_processes_write_side_by_side(tmp_path: Path) -> None:
    one, two = Spool(tmp_path, bytes(16)), Spool(tmp_path, bytes([1] * 16))
    one.append(fact(1))
    two.append(fact(2))
    one.append(fact(3))
    one.close()
    two.close()
    assert {f.at for f in facts_in(tmp_path)} == {fact(n).at for n in (1, 2, 3)}


@pytest.mark.parametrize("body", [b"x" * 60_001, b"a\xffb"])
def test_a_body_that_could_confuse_the_reader_is_refused(spool: Spool, body: bytes) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        spool.append(fact(1, body))


def test_a_closed_spool_refuses(tmp_path: Path) -> None:
    spool = Spool(tmp_path, INCARNATION)
    spool.close()
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        spool.append(fact(1))


def test_a_caller_that_does_not_wait_is_told_when_its_facts_are_kept(spool: Spool, tmp_path: Path) -> None:
    told: list[SpoolError | None] = []
    done = threading.Event()

    def tell(error: SpoolError | None) -> None:
        told.append(error)
        done.set()

    spool.submit(encode(fact(1)) + encode(fact(2)), tell)
    assert done.wait(5)
    assert told == [None]
    assert facts_in(tmp_path) == [fact(1), fact(2)]


def test_a_caller_that_does_not_wait_is_told_why_its_facts_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    done = threading.Event()
    monkeypatch.setattr(spool_module, "_flush", broken_flush)
    spool = Spool(tmp_path, INCARNATION)

    def tell(error: SpoolError | None) -> None:
        told.append(str(error))
        done.set()

    spool.submit(encode(fact(1)), tell)
    assert done.wait(5)
    spool.close()
    assert "Input/output error" in told[0]
    with pytest.raises(SpoolError, match="closed"):
        spool.submit(encode(fact(2)), lambda error: None)


def test_a_caller_whose_loop_is_gone_never_stops_the_writer(spool: Spool, tmp_path: Path) -> None:
    def gone(error: SpoolError | None) -> None:
        raise RuntimeError("Event loop is closed")

    spool.submit(encode(fact(1)), gone)
    spool.append(fact(2))
    assert facts_in(tmp_path) == [fact(1), fact(2)]
