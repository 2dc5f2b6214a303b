"""What the benchmark of delivery measures with: a list as in life, and an account that leaves nothing out."""

from collections import Counter

import pytest

from app.mail.dkim import sign
from benchmarks import signing
from benchmarks._machine import CORES, Reading, stretch
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
    run = stretch(Reading(10, 100, 1.0), Reading(12, 100 + CORES, 1.5), own=0.25, mails=1000)
    assert run.idle == pytest.approx(0.5)
    assert run.rate == pytest.approx(500)
    assert run.own == pytest.approx(250)
    assert run.sink == pytest.approx(500)
    assert run.busy == pytest.approx(CORES * 1e6 / 1000)


def test_the_mails_that_are_signed_for_speed_are_signed_rightly() -> None:
    signer = signer_of("ed25519")
    for data in signing.mails(3):
        assert 24_000 < len(data) < 25_000
        assert sign(data, [signer], signing.AT, is_relaxed=True) == sign(data, [signer], signing.AT)
