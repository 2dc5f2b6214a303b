"""The folder of a node: its name lasts, its counter grows, and one process holds it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.disk.folder import FolderUnfit, boot_identity, hold_folder, network_filesystem, read_owner, visit_folder


def new_id() -> bytes:
    return bytes(range(16))


def test_the_name_lasts_and_the_counter_grows(tmp_path: Path) -> None:
    seen = []
    for _ in range(3):
        with hold_folder(tmp_path / "node", new_id) or pytest.fail("held by nobody") as folder:
            seen.append((folder.owner.node, folder.owner.incarnation))
    assert seen == [(new_id().hex(), 1), (new_id().hex(), 2), (new_id().hex(), 3)]


HOLDER = """
import sys
from pathlib import Path
from app.disk.folder import hold_folder
folder = hold_folder(Path(sys.argv[1]), lambda: bytes(16))
print("held" if folder else "busy", flush=True)
sys.stdin.readline()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_folder_is_held_by_one_process_and_free_when_that_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path / "node") as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        assert hold_folder(tmp_path / "node", new_id) is None
        assert visit_folder(tmp_path / "node") is None
        other.kill()
        other.wait()
    visited = visit_folder(tmp_path / "node")
    assert visited
    assert visited.owner.incarnation == 1
    visited.release()
    mine = hold_folder(tmp_path / "node", new_id)
    assert mine
    assert mine.owner.incarnation == 2
    mine.release()


def test_a_folder_nobody_ever_held_is_not_visited(tmp_path: Path) -> None:
    assert visit_folder(tmp_path) is None
    assert read_owner(tmp_path) is None


def test_an_identity_that_cannot_be_read_is_not_replaced_quietly(tmp_path: Path) -> None:
    (tmp_path / "node").write_bytes(b"\xff\x00 nonsense")
    with pytest.raises(FolderUnfit, match="cannot be read"):
        hold_folder(tmp_path, new_id)
    assert (tmp_path / "node").read_bytes() == b"\xff\x00 nonsense"


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderUnfit):
        hold_folder(tmp_path / "file" / "node", new_id)


def test_a_local_disk_is_no_network_disk(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path) == ""


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="this system does not tell its boot")
def test_the_boot_has_a_name() -> None:
    assert boot_identity() == boot_identity() != ""


def test_a_release_twice_does_not_close_somebody_elses_file(tmp_path: Path) -> None:
    folder = hold_folder(tmp_path / "node", new_id)
    assert folder
    folder.release()
    with (tmp_path / "other").open("w") as other:
        folder.release()
        os.fstat(other.fileno())
