"""Downloads: a reader fetches what she was promised, gets it anew, or looks at a mail in the browser.

Owns the facts of it. Must not serve files.
"""

from __future__ import annotations

import json

from app.actions.shelf import Shelved
from app.core.facts import Fact, FactKind
from app.core.instants import DAY
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.links import Pass
from app.store import bodies, signups
from app.store.events import record_facts
from app.store.messages import NewMessage, queue_by_cause
from app.store.people import find_public
from app.world import World

DOWNLOADED = "magnet_downloaded"


def reach(world: World, given: Pass) -> bool:
    """Record that a reader fetched the file of a box. False when nobody is behind the link."""
    now = world.now()
    with world.transaction("write") as session:
        row = find_public(session, given.person)
        if row is None:
            return False
        fields = {"box": given.name}
        fact = Fact(world.new_id(), FactKind.EVENT, now, name=DOWNLOADED, fields=fields)
        record_facts(session, row.id, (fact,), now)
        return True


def reissue(world: World, shelved: Shelved, was: Pass) -> bool:
    """Send the mail with the file once more, at most once a day, to a confirmed reader. True when it is queued."""
    now, box = world.now(), shelved.workspace.boxes.get(was.name)
    with world.transaction("write") as session:
        row = signups.hold(session, was.person)
        if row is None or box is None or not box.deliver or row.state != SubscriberState.ACTIVE.value:
            return False
        message = NewMessage(
            public_id=world.new_id(),
            subscriber_id=row.id,
            cause_key=f"deliver:{box.key}:again:{row.id}:{now // DAY}",
            mail=box.deliver,
            mail_class=MailClass.SERVICE,
            at=now,
            data=json.dumps({"box": box.key}),
        )
        return queue_by_cause(session, message) is not None


def shown_mail(world: World, message: int) -> str | None:
    """The HTML of a mail as it was sent; None when it is not kept."""
    with world.transaction("read") as session:
        return bodies.html_of(session, message)
