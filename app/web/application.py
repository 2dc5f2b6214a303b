"""The application: Flask with every page of Parvar, as the edge has it behind itself.

Owns which blueprints there are. A page is one module with `blueprint(parts) -> Blueprint`, added to PAGES.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask

from app.web import (
    boxes,
    countdown,
    counter,
    dashboard,
    downloads,
    events,
    guard,
    health,
    hooks,
    images,
    inbox,
    scripts,
    share,
    subscription,
    survey,
    tongue,
)
from app.web.parts import Parts

PAGES: tuple[Callable[[Parts], Blueprint], ...] = (
    boxes.blueprint,
    scripts.blueprint,
    subscription.blueprint,
    downloads.blueprint,
    images.blueprint,
    countdown.blueprint,
    counter.blueprint,
    survey.blueprint,
    share.blueprint,
    health.blueprint,
    hooks.blueprint,
    events.blueprint,
    dashboard.blueprint,
    inbox.blueprint,
)


def create_app(parts: Parts) -> Flask:
    """The whole web side but the tracking edge. No session, no cookie: pages of readers know nobody but by link."""
    app = Flask("app.web", static_folder="static", template_folder="templates")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    guard.install(app)
    tongue.install(app, parts)
    app.add_url_rule("/favicon.ico", "favicon", lambda: ("", 204))
    for page in PAGES:
        app.register_blueprint(page(parts))
    return app
