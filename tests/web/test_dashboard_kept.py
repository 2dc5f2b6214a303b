"""Figures kept for pages: nobody waits for a long count twice, and a short one is shown by the page that asked."""

from __future__ import annotations

import threading
import time

from app.web.dashboard.kept import PATIENCE, Kept


def test_a_short_count_is_known_to_the_page_that_asked() -> None:
    kept = Kept(lambda: 7, 0, time.monotonic)
    kept.start()
    assert (kept.get().value, kept.get().is_known) == (7, True)


def test_a_page_with_two_long_figures_waits_for_them_once() -> None:
    over = threading.Event()
    slow = [Kept(lambda: over.wait(5), False, time.monotonic) for _ in range(2)]
    began = time.monotonic()
    for figure in slow:
        figure.start()
    assert [figure.get().is_known for figure in slow] == [False, False]
    first = time.monotonic() - began
    again = time.monotonic()
    assert not slow[0].get().is_known
    assert time.monotonic() - again < PATIENCE, "who comes later does not wait anew"
    assert first < 10 * PATIENCE
    over.set()


def test_a_count_is_begun_once_while_it_is_under_way() -> None:
    over, begun = threading.Event(), []

    def count() -> int:
        begun.append(1)
        over.wait(5)
        return 1

    kept = Kept(count, 0, time.monotonic)
    for _ in range(3):
        kept.start()
        kept.get()
    over.set()
    assert begun == [1]
