"""The delivery journal: what is known after a crash, at any byte, and what happens when the disk is full."""

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.disk.folder import Owner
from app.disk.journal import (
    Account,
    Doubtful,
    Finished,
    Journal,
    JournalFull,
    JournalSettings,
    Known,
    Untouched,
    accounts,
)

OWNER = Owner("ab" * 16, 7)
NOON = 1_800_000_000_000_000
ONE_CONNECTION = JournalSettings(window=16, connections=1)
STRICT = JournalSettings(window=1, connections=1)


def opened(folder: Path, how: JournalSettings = ONE_CONNECTION, boot: str = "boot-1") -> Journal:
    return Journal(folder, OWNER, boot, how)


def account(folder: Path, boot: str = "boot-1") -> Account:
    (only,) = accounts(folder, boot)
    return only


def known(folder: Path, boot: str = "boot-1") -> dict[tuple[int, int], Known]:
    return account(folder, boot).known


def counted_syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every real fdatasync leaves a mark in the list."""
    synced: list[int] = []
    real = os.fdatasync

    def sync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", sync)
    return synced


def test_a_message_that_began_and_has_no_reply_is_doubtful(tmp_path: Path) -> None:
    opened(tmp_path).begin((1, 1), 3)
    assert known(tmp_path) == {(1, 1): Doubtful((1, 1), 3)}


def test_a_reply_is_kept_with_its_words_and_its_instant(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.begin((1, 2), 0)
    journal.end((1, 2), "sent", "250 2.0.0 در صف", NOON)
    assert known(tmp_path) == {(1, 2): Finished((1, 2), "sent", "250 2.0.0 در صف", NOON)}


def test_what_the_database_has_is_forgotten(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for number in (1, 2):
        journal.begin((number, 1), 0)
        journal.end((number, 1), "sent", "250 ok", NOON)
    journal.recorded([(1, 1)])
    assert set(known(tmp_path)) == {(2, 1)}


def test_allowed_and_not_begun_may_be_queued_again_after_a_kill_but_not_after_a_power_cut(tmp_path: Path) -> None:
    assert opened(tmp_path).allow([(1, 1), (2, 1)]) == 2
    assert known(tmp_path) == {(1, 1): Untouched((1, 1)), (2, 1): Untouched((2, 1))}
    assert known(tmp_path, boot="boot-2") == {(1, 1): Doubtful((1, 1), 0), (2, 1): Doubtful((2, 1), 0)}


def test_where_the_system_does_not_tell_its_boot_the_worst_is_assumed(tmp_path: Path) -> None:
    opened(tmp_path, boot="").allow([(1, 1)])
    assert known(tmp_path, boot="") == {(1, 1): Doubtful((1, 1), 0)}


def test_the_window_is_never_exceeded(tmp_path: Path) -> None:
    journal = opened(tmp_path, JournalSettings(window=16, connections=2))
    keys = [(number, 1) for number in range(100)]
    assert journal.allow(keys) == 32
    for key in keys[:30]:
        journal.begin(key, 1)
        journal.end(key, "sent", "250", NOON)
    assert journal.allow(keys[32:]) == 30
    assert sum(isinstance(one, Doubtful) for one in known(tmp_path, boot="boot-2").values()) == 32


def test_a_window_of_one_asks_for_no_list_and_syncs_each_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, STRICT)
    synced = counted_syncs(monkeypatch)
    assert journal.allow([(1, 1), (2, 1)]) == 2
    assert not synced
    for number in (1, 2):
        journal.begin((number, 1), 0)
        assert len(synced) == number
        journal.end((number, 1), "sent", "250", NOON)


def test_one_sync_serves_a_whole_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    synced = counted_syncs(monkeypatch)
    keys = [(number, 1) for number in range(16)]
    assert journal.allow(keys) == 16
    for key in keys:
        journal.begin(key, 0)
        journal.end(key, "sent", "250", NOON)
    assert len(synced) == 1


def test_a_message_nobody_allowed_is_made_durable_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    synced = counted_syncs(monkeypatch)
    journal.begin((1, 1), 0)
    assert len(synced) == 1


def test_whose_journal_it_is_is_durable_before_anybody_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut between the first claim and the first list must not leave claims that nobody can account for."""
    synced = counted_syncs(monkeypatch)
    opened(tmp_path)
    assert len(synced) == 1
    assert account(tmp_path, "boot-2").owner == OWNER


def test_a_journal_with_nothing_open_leaves_no_file(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin((1, 1), 0)
        journal.end((1, 1), "sent", "250", NOON)
        journal.recorded([(1, 1)])
    assert not list(tmp_path.iterdir())


def test_a_journal_closed_with_something_open_keeps_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin((1, 1), 0)
    assert isinstance(known(tmp_path)[1, 1], Doubtful)


def test_settling_deletes_the_file(tmp_path: Path) -> None:
    opened(tmp_path).begin((1, 1), 0)
    account(tmp_path).forget()
    assert accounts(tmp_path, "boot-1") == ()


def test_the_living_journal_is_left_out(tmp_path: Path) -> None:
    opened(tmp_path).begin((1, 1), 0)
    assert accounts(tmp_path, "boot-1", but=OWNER.incarnation) == ()


def test_an_account_names_its_owner(tmp_path: Path) -> None:
    opened(tmp_path).begin((1, 1), 0)
    assert account(tmp_path).owner == OWNER


def test_a_long_journal_begins_a_new_file_and_carries_what_is_open(tmp_path: Path) -> None:
    journal = opened(tmp_path, JournalSettings(window=16, connections=4, file_bytes=4_000))
    journal.allow([(9_000, 1)])
    journal.begin((9_001, 1), 2)
    for number in range(300):
        journal.begin((number, 1), 0)
        journal.end((number, 1), "sent", "250 ok", NOON)
        journal.recorded([(number, 1)])
    assert len(list(tmp_path.iterdir())) == 1
    assert next(tmp_path.iterdir()).name > "journal-0000000007-000002"
    assert known(tmp_path) == {(9_000, 1): Untouched((9_000, 1)), (9_001, 1): Doubtful((9_001, 1), 2)}


@pytest.mark.parametrize("flip", [0.3, 0.6])
def test_damage_in_the_middle_is_told_from_a_torn_end(tmp_path: Path, flip: float) -> None:
    journal = opened(tmp_path)
    for number in range(20):
        journal.begin((number, 1), 0)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[int(len(content.rstrip(b"\0")) * flip)] ^= 0xFF
    file.write_bytes(bytes(content))
    assert not account(tmp_path).is_whole
    assert len(known(tmp_path)) < 20


STEPS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["allow", "begin", "end", "recorded"])), max_size=30)


def play(journal: Journal, steps: list[tuple[int, str]]) -> None:
    for number, what in steps:
        key = (number, 1)
        if what == "allow":
            journal.allow([key])
        elif what == "begin":
            journal.begin(key, number)
        elif what == "end":
            journal.end(key, "sent", "250 ok", NOON)
        else:
            journal.recorded([key])


@given(steps=STEPS, cut=st.floats(0, 1))
@settings(deadline=None)
def test_a_file_cut_at_any_byte_tells_the_truth_about_some_earlier_moment(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]], cut: float
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    play(opened(folder), steps)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    used = len(content.rstrip(b"\0"))
    place = int(used * cut)
    file.write_bytes(content[:place] + bytes(len(content) - place))
    found = account(folder)
    assert found.is_whole
    assert any(found.known == truth(steps[:count]) for count in range(len(steps) + 1))


def truth(steps: list[tuple[int, str]]) -> dict[tuple[int, int], Known]:
    state: dict[tuple[int, int], Known] = {}
    for number, what in steps:
        key = (number, 1)
        if what == "allow":
            state.setdefault(key, Untouched(key))
        elif what == "begin":
            state[key] = Doubtful(key, number)
        elif what == "end":
            state[key] = Finished(key, "sent", "250 ok", NOON)
        else:
            state.pop(key, None)
    return state


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reading(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = opened(folder)
    journal.begin((1, 1), 0x0404)
    (file,) = folder.iterdir()
    content = file.read_bytes().rstrip(b"\0")
    file.write_bytes(content + junk)
    assert account(folder).known[1, 1] == Doubtful((1, 1), 0x0404)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: to a program that is a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def begin_until_refused(journal: Journal) -> int:
    for number in range(100_000):
        try:
            journal.begin((number, 1), 0)
        except JournalFull:
            return number
    raise AssertionError("the disk was never full")


def test_a_full_disk_is_met_before_a_mail_and_never_after_one(tmp_path: Path) -> None:
    journal = opened(tmp_path, JournalSettings(window=64, connections=8))
    with disk_of(256 * 1024):
        begun = begin_until_refused(journal)
    assert begun > 100
    assert "cannot be written" in journal.fault
    with pytest.raises(JournalFull):
        journal.begin((-1, 1), 0)
    assert len(known(tmp_path)) == begun


def test_the_ends_of_all_that_began_still_fit_on_a_full_disk(tmp_path: Path) -> None:
    journal = opened(tmp_path, JournalSettings(window=64, connections=8))
    begun: list[tuple[int, int]] = []
    with disk_of(256 * 1024):
        for number in range(400):
            journal.begin((number, 1), 0)
            begun.append((number, 1))
        for key in begun:
            journal.end(key, "refused", "5" * 500, NOON)
    assert all(isinstance(one, Finished) for one in known(tmp_path).values())
    assert len(known(tmp_path)) == 400


def test_a_killed_process_leaves_what_it_had_written(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        journal = opened(tmp_path)
        journal.allow([(1, 1), (2, 1)])
        journal.begin((1, 1), 4)
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert known(tmp_path) == {(1, 1): Doubtful((1, 1), 4), (2, 1): Untouched((2, 1))}


def test_many_threads_share_one_journal(tmp_path: Path) -> None:
    journal = opened(tmp_path, JournalSettings(window=16, connections=8, file_bytes=40_000))

    def work(slot: int) -> None:
        for number in range(100):
            key = (slot * 1_000 + number, 1)
            journal.begin(key, slot)
            journal.end(key, "sent", "250", NOON)
            if number % 10:
                journal.recorded([key])

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(known(tmp_path)) == 80
    assert journal.open_count == 80
