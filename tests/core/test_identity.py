"""What makes a step the same one from version to version."""

from __future__ import annotations

from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from app.core.campaign import (
    AddScore,
    AddTag,
    Arm,
    Campaign,
    CampaignState,
    Choose,
    End,
    ForSpan,
    HandOver,
    If,
    Notify,
    Option,
    Send,
    SetAttributes,
    Split,
    Start,
    Step,
    Steps,
    Use,
    Wait,
)
from app.core.conditions import Condition, parse
from app.core.identity import identified
from app.core.instants import DAY
from app.core.text import Text


def asked(source: str) -> Condition:
    condition = parse(source)
    assert isinstance(condition, Condition)
    return condition


YES = asked("confirmed")


def wait(*, days: int = 1, name: str = "") -> Wait:
    return Wait(name, ForSpan(days * DAY))


def send(mail: str, *, name: str = "") -> Send:
    return Send(name, mail)


def campaign(sequences: dict[str, Steps], on_goal: Steps = ()) -> Campaign:
    return Campaign("c", Text.plain("C"), CampaignState.LIVE, sequences=MappingProxyType(sequences), on_goal=on_goal)


def ids(*steps: Step, fragments: dict[str, Steps] | None = None) -> list[str]:
    return [step.id for step in identified(campaign({"lead": steps}), fragments or {}).steps()]


def test_a_send_is_called_by_its_mail_and_a_wait_by_what_comes_next() -> None:
    assert ids(wait(), send("a/b")) == ["before a/b", "a/b"]


def test_several_waits_before_the_same_mail_are_counted() -> None:
    assert ids(wait(), If("", YES, ()), wait(), send("a")) == ["before a", "before a 2", "before a 3", "a"]


def test_a_wait_with_nothing_behind_it_is_called_by_the_end_of_its_sequence() -> None:
    assert ids(send("a"), wait()) == ["a", "end of lead"]


def test_an_if_is_called_by_the_first_mail_inside_it() -> None:
    assert ids(If("", YES, (wait(), send("inside"))), send("after")) == [
        "before inside",
        "before inside 2",
        "inside",
        "after",
    ]


def test_effects_are_called_by_their_kind_and_value() -> None:
    steps: Steps = (
        AddTag("", "vip"),
        AddScore("", 10),
        SetAttributes("", (("interest", "tea"), ("vegan", True))),
        Start("", "other"),
        Notify("", "bob@shop.example", "team/hot"),
        HandOver("", "next"),
        End(""),
    )
    assert ids(*steps) == [
        "tag vip",
        "score +10",
        "set interest=tea, vegan=true",
        "start other",
        "team/hot to bob@shop.example",
        "hand_over next",
        "end",
    ]


def test_tags_and_scores_lend_no_name_to_a_wait_but_a_hand_over_does() -> None:
    assert ids(wait(), AddTag("", "vip"), HandOver("", "next"))[0] == "before next"


def test_the_same_mail_in_two_arms_is_one_step() -> None:
    split = Split("test", "click", (Arm("a", 0.5, (send("m"),)), Arm("b", 0.5, (Send("", "m", subject="bold"),))))
    assert ids(split) == ["test", "m", "m"]


def test_an_id_in_the_file_is_kept_and_lends_its_name() -> None:
    assert ids(wait(), send("a", name="first")) == ["before first", "first"]


def test_a_fragment_carries_its_place() -> None:
    fragments: dict[str, Steps] = {"review": (wait(), send("a"), wait())}
    assert ids(wait(), Use("review", "review", ()), fragments=fragments) == [
        "before review",
        "review",
        "review/before a",
        "review/a",
        "review/end",
    ]


def test_sequences_share_one_count_and_the_goal_has_its_own_end() -> None:
    found = identified(campaign({"lead": (wait(), send("a")), "any": (wait(), send("a"))}, (wait(),)), {})
    assert [step.id for step in found.steps()] == ["before a", "a", "before a 2", "a", "end of on_goal"]


def test_durations_texts_and_conditions_are_no_part_of_an_id() -> None:
    def version(days: int, when: str) -> list[str]:
        choose = Choose("", (Option(asked(when), (send("a"),)),))
        return ids(wait(days=days), choose, send("b"))

    assert version(1, "confirmed") == version(9, "score > 5")


STEPS = st.recursive(
    st.builds(send, st.sampled_from("abc")) | st.just(wait()) | st.just(AddTag("", "t")),
    lambda inner: st.builds(
        lambda then, otherwise: If("", YES, tuple(then), tuple(otherwise)),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@given(st.lists(STEPS, max_size=6))
def test_every_wait_and_question_has_an_id_of_its_own(steps: list[Step]) -> None:
    found = identified(campaign({"lead": tuple(steps)}), {})
    waiting = [step.id for step in found.steps() if isinstance(step, Wait | If)]
    assert len(waiting) == len(set(waiting))
    assert all(step.id for step in found.steps())


@given(st.lists(STEPS, max_size=6))
def test_naming_twice_changes_nothing(steps: list[Step]) -> None:
    once = identified(campaign({"lead": tuple(steps)}), {})
    assert identified(once, {}) == once
