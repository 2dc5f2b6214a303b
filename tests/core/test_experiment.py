"""Lasting draws: the same for ever, fair, and without cracks between the shares."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.experiment import Draw, chance, drawn, is_held_out, split_arm

SECRET = b"a secret of the tests"
PEOPLE = [hashlib.sha256(str(number).encode()).digest()[:16] for number in range(20_000)]
TOP = (1 << 64) - 1


def test_rule_30_the_draw_is_the_first_eight_bytes_of_the_keyed_hash() -> None:
    message = b"split\0ebook-welcome\0objection-subject\0" + PEOPLE[0]
    digest = hmac.new(SECRET, message, hashlib.sha256).digest()
    assert drawn(SECRET, Draw.SPLIT, "ebook-welcome", "objection-subject", PEOPLE[0]) == int.from_bytes(digest[:8])


def test_another_domain_campaign_name_person_or_secret_draws_apart() -> None:
    base = drawn(SECRET, Draw.SPLIT, "a", "b", PEOPLE[0])
    others = {
        drawn(SECRET, Draw.HOLDOUT, "a", "b", PEOPLE[0]),
        drawn(SECRET, Draw.SPLIT, "c", "b", PEOPLE[0]),
        drawn(SECRET, Draw.SPLIT, "a", "c", PEOPLE[0]),
        drawn(SECRET, Draw.SPLIT, "ab", "", PEOPLE[0]),
        drawn(SECRET, Draw.SPLIT, "a", "b", PEOPLE[1]),
        drawn(b"other", Draw.SPLIT, "a", "b", PEOPLE[0]),
    }
    assert len(others | {base}) == 7


@pytest.mark.parametrize("share", [0.005, 0.1, 0.5])
def test_a_share_takes_its_share_of_people(share: float) -> None:
    wanted, spread = share * len(PEOPLE), 4 * (share * (1 - share) * len(PEOPLE)) ** 0.5
    for taken in (
        sum(chance(SECRET, "trial", person, share) for person in PEOPLE),
        sum(is_held_out(SECRET, "welcome", person, share) for person in PEOPLE),
    ):
        assert abs(taken - wanted) < spread


def test_a_growing_share_keeps_everybody_it_had() -> None:
    small = [chance(SECRET, "trial", person, 0.1) for person in PEOPLE[:2_000]]
    large = [chance(SECRET, "trial", person, 0.2) for person in PEOPLE[:2_000]]
    assert all(is_in_large for is_in_small, is_in_large in zip(small, large, strict=True) if is_in_small)


def test_arms_get_their_shares_in_file_order() -> None:
    shares = (("plain", 0.2), ("bold", 0.3), ("long", 0.5))
    arms = Counter(split_arm(drawn(SECRET, Draw.SPLIT, "c", "s", person), shares) for person in PEOPLE)
    for arm, share in shares:
        assert abs(arms[arm] - share * len(PEOPLE)) < 4 * (share * (1 - share) * len(PEOPLE)) ** 0.5
    assert split_arm(0, shares) == "plain"
    assert split_arm(TOP // 5 + 1, shares) == "bold"
    assert split_arm(TOP // 2 + 1, shares) == "long"


def test_shares_short_of_the_whole_leave_people_without_an_arm() -> None:
    assert split_arm(TOP, (("a", 0.4), ("b", 0.4))) is None


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(0, TOP))
def test_shares_that_make_a_whole_leave_no_crack(parts: list[int], draw: int) -> None:
    permille = [part * 1000 // sum(parts) for part in parts]
    permille[-1] += 1000 - sum(permille)
    shares = [(str(number), part / 1000) for number, part in enumerate(permille)]
    assert split_arm(draw, shares) is not None
    assert split_arm(TOP, shares) is not None


def test_nobody_is_in_a_share_of_nothing_and_everybody_in_the_whole() -> None:
    assert not any(is_held_out(SECRET, "c", person, 0.0) for person in PEOPLE[:200])
    assert all(is_held_out(SECRET, "c", person, 1.0) for person in PEOPLE[:200])
