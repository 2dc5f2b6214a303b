"""A worker whose folder's durable state is kept beside it: `python -m tests.faults.powered_child`, as delivery_child.

From the environment: SHADOW, the folder for that; LIES, how many syncs of its journal the disk keeps before it lies.
"""

import os
import sys
from pathlib import Path

from tests.faults.disk import Disk, Shadow, note_commits


def watch(url: str, folder: Path) -> None:
    shadow = Path(os.environ["SHADOW"])
    lies_after = int(os.environ["LIES"]) if "LIES" in os.environ else None
    Disk(folder, Shadow(shadow), lies_after).install()
    if url.startswith("sqlite"):
        note_commits(Path(url.removeprefix("sqlite:///")), shadow / "commits")


if __name__ == "__main__":
    watch(sys.argv[1], Path(sys.argv[2]))
    from tests.faults.delivery_child import main

    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
