"""The hub: many tasks on one thread, each pausing where it would wait."""

import socket
import threading
import time
from functools import partial

import pytest

from app.mail.smtp_hub import READ, WRITE, Hub


def test_while_one_task_waits_for_its_socket_another_goes_on() -> None:
    hub, told = Hub(), list[str]()
    near, far = socket.socketpair()

    def reader() -> None:
        told.append("waits")
        assert hub.wait(near.fileno(), READ, 5.0)
        told.append(near.recv(10).decode())

    def writer() -> None:
        told.append("writes")
        far.send(b"read")

    with near, far:
        hub.spawn(reader)
        hub.spawn(writer)
        hub.run()
    assert told == ["waits", "writes", "read"]


def test_who_waits_in_vain_is_told_so_when_the_time_is_over() -> None:
    hub, answers = Hub(), list[bool]()
    near, far = socket.socketpair()
    with near, far:
        hub.spawn(lambda: answers.append(hub.wait(near.fileno(), READ, 0.01)))
        hub.spawn(lambda: answers.append(hub.wait(far.fileno(), WRITE, 5.0)))
        hub.run()
    assert answers == [True, False]


def test_one_descriptor_may_be_waited_for_again_after_its_time_was_over() -> None:
    hub, answers = Hub(), list[bool]()
    near, far = socket.socketpair()

    def patient() -> None:
        answers.append(hub.wait(near.fileno(), READ, 0.01))
        far.send(b"x")
        answers.append(hub.wait(near.fileno(), READ, 5.0))

    with near, far:
        hub.spawn(patient)
        hub.run()
    assert answers == [False, True]


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    hub, woke = Hub(), list[float]()

    def sleeper(seconds: float) -> None:
        hub.sleep(seconds)
        woke.append(seconds)

    for seconds in (0.03, 0.01, 0.02):
        hub.spawn(partial(sleeper, seconds))
    hub.run()
    assert woke == [0.01, 0.02, 0.03]


def test_who_gives_way_goes_on_when_all_who_can_have_done_so() -> None:
    hub, told = Hub(), list[str]()
    near, far = socket.socketpair()

    def polite() -> None:
        far.send(b"x")
        hub.give_way()
        told.append("polite")

    def reader() -> None:
        hub.wait(near.fileno(), READ, 5.0)
        told.append("reader")

    with near, far:
        hub.spawn(reader)
        hub.spawn(polite)
        hub.run()
    assert told == ["reader", "polite"]


def test_giving_way_to_nobody_is_no_wait() -> None:
    hub, told = Hub(), list[str]()

    def alone() -> None:
        hub.give_way()
        told.append("done")

    hub.spawn(alone)
    hub.run()
    assert told == ["done"]


def test_what_blocks_is_done_elsewhere_while_others_are_at_work() -> None:
    hub, is_done, ticks = Hub(), threading.Event(), list[int]()
    threads: list[int] = []

    def blocking() -> str:
        threads.append(threading.get_ident())
        assert is_done.wait(5.0)
        return "found"

    def errand() -> None:
        assert hub.call(blocking) == "found"
        ticks.append(-1)

    def other() -> None:
        for number in range(3):
            hub.sleep(0.002)
            ticks.append(number)
        is_done.set()

    hub.spawn(errand)
    hub.spawn(other)
    hub.run()
    assert ticks == [0, 1, 2, -1]
    assert threads != [threading.get_ident()]


def test_what_blocks_is_done_right_here_by_the_only_task() -> None:
    hub, threads = Hub(), list[int]()
    hub.spawn(lambda: threads.append(hub.call(threading.get_ident)))
    hub.run()
    assert threads == [threading.get_ident()]


def test_an_error_elsewhere_is_raised_where_it_was_called() -> None:
    hub, caught = Hub(), list[str]()

    def errand() -> None:
        try:
            hub.call(lambda: int("none"))
        except ValueError:
            caught.append("here")

    hub.spawn(errand)
    hub.spawn(lambda: hub.sleep(0.01))
    hub.run()
    assert caught == ["here"]


def test_an_error_of_a_task_ends_the_run_and_the_others_can_be_run_to_their_end() -> None:
    hub, told = Hub(), list[str]()

    def broken() -> None:
        raise KeyError("mine")

    def whole() -> None:
        hub.sleep(0.01)
        told.append("went on")

    hub.spawn(whole)
    hub.spawn(broken)
    with pytest.raises(KeyError, match="mine"):
        hub.run()
    assert told == []
    hub.run()
    assert told == ["went on"]


def test_a_hub_with_nothing_left_to_do_returns_at_once() -> None:
    began = time.monotonic()
    Hub().run()
    assert time.monotonic() - began < 5.0


def test_a_hub_leaves_no_descriptor_behind() -> None:
    hub = Hub()
    for _ in range(3):
        hub.spawn(lambda: hub.call(lambda: None))
    before = socket.socket()
    with before:
        hub.run()
        after = socket.socket()
        with after:
            assert after.fileno() == before.fileno() + 1
