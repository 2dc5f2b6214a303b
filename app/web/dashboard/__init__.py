"""The dashboard: what our own people see and do: the ladder, campaigns, people, mails, boxes, sending.

Owns the blueprint and which pages it has. A page is one module with `register(blueprint, parts)`, named in PAGES.
"""

from __future__ import annotations

from flask import Blueprint, g

from app.web.dashboard import (
    accounts,
    boxes,
    campaigns,
    deeds,
    delivery,
    door,
    home,
    ladder,
    linkmap,
    look,
    mails,
    offers,
    outlook,
    people,
    person,
    publish,
    segments,
    time,
    work,
)
from app.web.dashboard.naming import Names, mail_title, step_words
from app.web.dashboard.shell import Register, dress
from app.web.parts import Parts

PAGES: tuple[Register, ...] = (
    home.register,
    ladder.register,
    outlook.register,
    linkmap.register,
    campaigns.register,
    people.register,
    person.register,
    look.register,
    time.register,
    deeds.register,
    door.register,
    accounts.register,
    boxes.register,
    mails.register,
    delivery.register,
    segments.register,
    offers.register,
    work.register,
    publish.register,
)


def blueprint(parts: Parts) -> Blueprint:
    """Every page below /dashboard."""
    made = Blueprint("dashboard", __name__, url_prefix="/dashboard")
    dress(made, parts)
    made.context_processor(lambda: work.context(parts))
    names = Names(parts)
    made.before_request(lambda: setattr(g, "names", names))
    made.context_processor(lambda: {"mail_title": mail_title, "step_words": step_words})
    for register in PAGES:
        register(made, parts)
    return made
