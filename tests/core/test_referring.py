"""A friend counts who is another person, came of her own will, and stayed."""

from dataclasses import replace

import pytest

from app.core.referring import BURST, Bringing, Reason, objection

FINE = Bringing("alice@example.com", "bob@example.org")


def test_a_friend_who_stayed_counts() -> None:
    assert objection(FINE) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice@gmail.com", "a.lice+shop@googlemail.com"),
        ("alice@example.com", "Alice+2@example.com"),
        ("a.b@proton.me", "ab@pm.me"),
    ],
)
def test_nobody_is_her_own_friend(one: str, other: str) -> None:
    assert objection(Bringing(one, other)) is Reason.SELF


def test_two_people_of_one_domain_are_two_people() -> None:
    assert objection(Bringing("alice@example.com", "bob@example.com")) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_disposable": True}, Reason.DISPOSABLE),
        ({"is_here": False}, Reason.GONE),
        ({"has_complained": True}, Reason.COMPLAINED),
        ({"is_referrer_here": False}, Reason.REFERRER_GONE),
        ({"same_network": 2}, Reason.NETWORK),
        ({"same_network": 1, "from_own_network": True}, Reason.NETWORK),
        ({"recent": BURST}, Reason.BURST),
    ],
)
def test_what_speaks_against_a_friend(change: dict[str, object], reason: Reason) -> None:
    assert objection(replace(FINE, **change)) is reason  # type: ignore[arg-type]


def test_one_friend_from_the_same_house_counts() -> None:
    assert objection(replace(FINE, from_own_network=True)) is None
    assert objection(replace(FINE, same_network=1)) is None
