"""Link files: where the numbered links of each mail version lead, in `links/<mail-version>` of a node's folder.

Owns the files, the memory before them, and asking the database once when a version is unknown.
Must not redirect, nor trust that what it is told is a web address: the edge checks that.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from app.core.instants import SECOND, Instant
from app.disk.spool import sync_folder

Targets: TypeAlias = tuple[str | None, ...]
Ask: TypeAlias = Callable[[int], Sequence[str | None] | None]

_ASK_AGAIN_AFTER: Final = 5 * SECOND
_REMEMBERED: Final = 2_000


def write_link_file(folder: Path, version: int, targets: Sequence[str | None]) -> None:
    """Durable, and whole or not at all. A None is a link whose target travels signed in its own path."""
    folder.mkdir(parents=True, exist_ok=True)
    unborn = folder / f".{version}.{threading.get_ident()}.new"
    with unborn.open("w", encoding="utf-8") as file:
        json.dump({"links": list(targets)}, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    unborn.replace(folder / str(version))
    sync_folder(folder)


def read_link_file(folder: Path, version: int) -> Targets | None:
    """None when there is no such file. Raises ValueError when the file is not what we write."""
    try:
        text = (folder / str(version)).read_text("utf-8")
    except FileNotFoundError:
        return None
    match json.loads(text):
        case {"links": [*targets]} if all(one is None or isinstance(one, str) for one in targets):
            return tuple(targets)
        case _:
            raise ValueError(f"link file {version} is damaged")


class Destinations:
    """Targets by mail version: memory, then the folder, then `ask`, which may hang or fail and harms no other request.

    One question is under way at a time and one caller waits for it at most `patience` seconds; a version without
    an answer is not asked again for five seconds.
    """

    def __init__(self, folder: Path, ask: Ask | None, wall: Callable[[], Instant], patience: float = 0.5) -> None:
        self._folder, self._ask, self._wall, self._patience = folder, ask, wall, patience
        self._known: dict[int, Targets] = {}
        self._ask_again: dict[int, Instant] = {}
        self._asking = threading.Lock()
        self._question_open: threading.Event | None = None

    def at_hand(self, version: int) -> Targets | None:
        """The same from memory alone."""
        return self._known.get(version)

    def find(self, version: int) -> Targets | None:
        """The version's targets by link number, from 0; None when nobody can tell just now."""
        known = self._known.get(version)
        return known if known is not None else self._look(version)

    def _look(self, version: int) -> Targets | None:
        try:
            found = read_link_file(self._folder, version)
        except (OSError, ValueError):
            found = None
        return self._asked(version) if found is None else self._remember(version, found)

    def _remember(self, version: int, targets: Targets) -> Targets:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[version] = targets
        return targets

    def _asked(self, version: int) -> Targets | None:
        if self._ask is None or self._is_stuck() or self._may_not_ask(version):
            return None
        if not self._asking.acquire(timeout=self._patience):
            return None
        if (known := self._known.get(version)) is not None or self._may_not_ask(version):
            self._asking.release()
            return known
        answered = threading.Event()
        threading.Thread(target=self._question, args=(version, answered), name="destinations", daemon=True).start()
        if not answered.wait(self._patience):
            self._question_open = answered
        return self._known.get(version)

    def _is_stuck(self) -> bool:
        """A question that outlasted somebody's patience is still open: nobody else waits behind it."""
        return self._question_open is not None and not self._question_open.is_set()

    def _may_not_ask(self, version: int) -> bool:
        return self._wall() < self._ask_again.get(version, 0)

    def _question(self, version: int, answered: threading.Event) -> None:
        """Runs in its own thread, so that a database that never answers holds up nobody; gives the lock back."""
        targets: Sequence[str | None] | None = None
        try:
            targets = None if self._ask is None else self._ask(version)
        except Exception:  # noqa: BLE001 - whatever the database says, the reader is sent on to the site
            targets = None
        finally:
            self._keep(version, targets)
            answered.set()
            self._asking.release()

    def _keep(self, version: int, targets: Sequence[str | None] | None) -> None:
        if targets is None:
            if len(self._ask_again) >= _REMEMBERED:
                self._ask_again.clear()
            self._ask_again[version] = self._wall() + _ASK_AGAIN_AFTER
            return
        self._remember(version, tuple(targets))
        try:
            write_link_file(self._folder, version, targets)
        except OSError:  # a full disk: memory serves until the next start
            return


class ShopDestinations(Destinations):
    """The same for the demo: what leads to the example site leads to the shop that stands for it."""

    def __init__(self, known: Destinations, site: str, shop: str) -> None:
        self._of, self._site, self._shop = known, site.rstrip("/"), shop.rstrip("/")

    def at_hand(self, version: int) -> Targets | None:
        return self._moved(self._of.at_hand(version))

    def find(self, version: int) -> Targets | None:
        return self._moved(self._of.find(version))

    def _moved(self, targets: Targets | None) -> Targets | None:
        return None if targets is None else tuple(target and self._at_shop(target) for target in targets)

    def _at_shop(self, target: str) -> str:
        rest = target.removeprefix(self._site)
        return self._shop + rest if rest != target and rest[:1] in ("", "/", "?", "#") else target
