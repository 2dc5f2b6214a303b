"""The spool against kill -9 and a full disk: real processes, a real limit on file size."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.disk.spool import Fact, FactKind, Spool, SpoolError, SpoolLimits
from app.disk.spool_reader import SpoolReader

WRITER = """
import sys
from pathlib import Path
from app.disk.spool import Fact, Spool
spool = Spool(Path(sys.argv[1]), bytes(16))
number = 0
while True:
    number += 1
    spool.append(Fact(2, number, number.to_bytes(16, "big"), b"{}"))
    print(number, flush=True)
"""


def killed_after(folder: Path, answers: int) -> int:
    """Run a writer, kill it after so many answers; returns the last number it had answered."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(answers):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    return rest[-1] if rest else answers


@pytest.mark.parametrize("answers", [1, 40, 300])
def test_every_answered_fact_outlives_kill_9_and_is_taken_once(tmp_path: Path, answers: int) -> None:
    answered = killed_after(tmp_path, answers)
    reader = SpoolReader(tmp_path)
    batch = reader.take({}, limit=100_000)
    ids = [fact.at for fact in batch.facts]
    assert ids == list(range(1, len(ids) + 1))
    assert answered <= len(ids) <= answered + 1  # one may be on the disk whose answer never left
    assert batch.finished == reader.segments()  # the dead writer's lock is gone at once


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of this process may grow past 8 KiB: writing beyond fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    yield 8192
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_and_a_fault_and_ends_when_there_is_room(tmp_path: Path, small_files: int) -> None:
    spool = Spool(tmp_path, bytes(16), SpoolLimits(segment_bytes=1 << 20))
    kept, errors = [], list[str]()
    for number in range(12):
        fact = Fact(FactKind.CLICK, number, number.to_bytes(16, "big"), b"x" * 1000)
        try:
            spool.append(fact)
            kept.append(fact)
        except SpoolError as error:
            errors.append(f"{error} / {spool.fault}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    last = Fact(FactKind.CLICK, 99, bytes(16), b"{}")
    spool.append(last)
    fault = spool.fault
    spool.close()
    assert errors
    assert all(error.count("too large") == 2 for error in errors)
    assert fault is None
    facts = SpoolReader(tmp_path).take({}).facts
    assert set(facts) == {*kept, last}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_file_system_without_a_free_byte_refuses_and_recovers(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let tests mount")
    try:
        spool = Spool(tmp_path, bytes(16))
        ballast = tmp_path / "ballast"
        spool.append(Fact(FactKind.OPEN, 1, bytes(16), b"{}"))
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(bytes(128 * 1024))
        with pytest.raises(SpoolError, match="No space"):
            spool.append(Fact(FactKind.OPEN, 2, bytes(16), b"x" * 50_000))
        assert "No space" in (spool.fault or "")
        ballast.unlink()
        spool.append(Fact(FactKind.OPEN, 3, bytes(16), b"{}"))
        spool.close()
        assert [fact.at for fact in SpoolReader(tmp_path).take({}).facts] == [1, 3]
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
