"""What the benchmark of delivery measures with: a list as in life, and an account that leaves nothing out."""

import os
import time
from collections import Counter

import pytest

from app.mail.dkim import sign
from benchmarks import signing
from benchmarks._machine import CORES, Parties, Reading, read, stretch
from benchmarks._names import first_names
from benchmarks._sending import signer_of


def test_a_list_has_a_few_frequent_names_many_seldom_ones_and_people_without() -> None:
    names = first_names(1, 10_000)
    assert names == first_names(1, 10_000) != first_names(2, 10_000)
    told = Counter(names)
    without = told.pop("")
    assert 0.18 < without / len(names) < 0.22
    (_, most), *_ = told.most_common(1)
    assert 0.015 < most / len(names) < 0.03
    assert len(told) > 600
    assert sum(1 for count in told.values() if count == 1) > 300


def test_a_stretch_accounts_for_all_the_time_of_all_cores() -> None:
    begun, ended = Reading(10, 100, 1.0, 3.0), Reading(12, 100 + CORES, 1.3, 3.1)
    run = stretch(begun, ended, own=0.25, mails=1000)
    assert run.rate == pytest.approx(500)
    assert (run.own, run.sink, run.database) == pytest.approx((250, 300, 100))
    assert run.idle == pytest.approx(0.5)
    assert run.idle + run.foreign + run.cost * run.rate / 1e6 / CORES == pytest.approx(1)
    assert run.bound == pytest.approx(CORES * 1e6 / 650)


def test_the_cost_of_a_process_is_read_while_it_works() -> None:
    mine = Parties(os.getpid(), os.getpid())
    begun, started = read(mine), time.process_time()
    while time.process_time() < started + 0.1:
        pass
    assert read(mine).sink - begun.sink > 0.05


def test_the_mails_that_are_signed_for_speed_are_signed_rightly() -> None:
    signer = signer_of("ed25519")
    for data in signing.mails(3):
        assert 24_000 < len(data) < 25_000
        assert sign(data, [signer], signing.AT, is_relaxed=True) == sign(data, [signer], signing.AT)
