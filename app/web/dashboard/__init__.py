"""The dashboard: what our own people see and do: the ladder, campaigns, people, mails, boxes, sending.

Owns the blueprint and which pages it has. A page is one module with `register(blueprint, parts)`, named in PAGES.
"""

from __future__ import annotations

from flask import Blueprint

from app.web.dashboard import (
    accounts,
    boxes,
    campaigns,
    deeds,
    delivery,
    door,
    home,
    ladder,
    look,
    mails,
    people,
    person,
    segments,
    time,
)
from app.web.dashboard.shell import Register, dress
from app.web.parts import Parts

PAGES: tuple[Register, ...] = (
    home.register,
    ladder.register,
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
)


def blueprint(parts: Parts) -> Blueprint:
    """Every page below /dashboard."""
    made = Blueprint("dashboard", __name__, url_prefix="/dashboard")
    dress(made, parts)
    for register in PAGES:
        register(made, parts)
    return made
