"""Where Chromium is on this machine, and how it is started: no sandbox as root, and no call off this machine.

`python -m tests.services.chromium` prints the path, or exits with 1.
"""

import os
import shutil
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

REMEDY = "apt-get install chromium, or name one in TEST_CHROMIUM"


def find_chromium() -> Path | None:
    """The program in TEST_CHROMIUM, else the first one on the path or in its usual place."""
    named = os.environ.get("TEST_CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in _NAMES] + list(_PLACES)
    return next((Path(path) for path in found if path and os.access(path, os.X_OK)), None)


def launch_arguments() -> list[str]:
    """Switches that keep it quiet: no update, no sync, no name looked up but localhost."""
    arguments = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE *.localhost , EXCLUDE 127.0.0.1",
    ]
    return ["--no-sandbox", *arguments] if os.geteuid() == 0 else arguments


if __name__ == "__main__":
    path = find_chromium()
    print(path or f"no Chromium: {REMEDY}")
    sys.exit(path is None)
