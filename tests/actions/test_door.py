"""The door: many are judged as each would be alone."""

from hypothesis import given
from hypothesis import strategies as st

from app.actions.door import judge
from app.core.instants import DAY, HOUR
from app.core.person import MailClass, RunState
from app.core.subscriber import SubscriberState
from app.store.doors import Door
from app.store.releases import Control
from tests.actions.promising import shelved_with

NOW = 1_790_000_000_000_000
INSTANTS = st.sampled_from([NOW - DAY, NOW - 1, NOW, NOW + 1, NOW + HOUR])
NONE = st.none()
SHELVED = shelved_with()

doors = st.builds(
    Door,
    message_id=st.integers(1, 10**9),
    cause_key=NONE | st.sampled_from(["confirm:alice:1", "bench:1"]),
    mail_class=st.sampled_from([each.value for each in MailClass]),
    campaign=st.sampled_from(["", "ready", "gone"]),
    created_at=INSTANTS,
    fresh_until=NONE | INSTANTS,
    run_state=NONE | st.sampled_from([each.value for each in RunState]),
    entered_at=NONE | INSTANTS,
    state=st.sampled_from([each.value for each in SubscriberState]),
    timezone=st.sampled_from(["", "Asia/Tehran", "America/New_York"]),
    confirmed_at=NONE | INSTANTS,
    unsubscribed_at=NONE | INSTANTS,
    is_suppressed=st.sampled_from([False, False, True]),
    dormant_at=NONE | INSTANTS,
    paused_until=NONE | INSTANTS,
    due_at=NONE | INSTANTS,
)


@given(found=st.lists(doors, max_size=30, unique_by=lambda door: door.message_id), is_killed=st.booleans())
def test_many_are_judged_as_each_would_be_alone(found: list[Door], is_killed: bool) -> None:
    shelved = SHELVED
    control = Control(1, 1, is_killed, is_paused=False, demo_offset=0)
    together = judge(shelved, found, control, NOW)
    assert together == {door.message_id: judge(shelved, [door], control, NOW)[door.message_id] for door in found}


@given(door=doors, field=st.sampled_from(Door._fields[1:]), other=doors)
def test_a_difference_that_counts_is_never_overlooked(door: Door, field: str, other: Door) -> None:
    """Two doors that differ in one column only, judged in one go, are judged as they are."""
    twin = door._replace(message_id=door.message_id + 1, **{field: getattr(other, field)})
    shelved, control = SHELVED, Control(1, 1, is_killed=False, is_paused=False, demo_offset=0)
    together = judge(shelved, [door, twin], control, NOW)
    for each in (door, twin):
        assert together[each.message_id] == judge(shelved, [each], control, NOW)[each.message_id]
