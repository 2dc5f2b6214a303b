"""The look: light or dark, as the visitor likes it.

Owns one choice kept in a cookie. Must not know any page.
"""

from __future__ import annotations

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from app.web.dashboard.shell import THEME_COOKIE, THEMES, YEAR, back
from app.web.parts import Parts


def register(blueprint: Blueprint, parts: Parts) -> None:
    @blueprint.post("/look")
    def look() -> ResponseReturnValue:
        answer = back(url_for("dashboard.home"))
        wanted = request.form.get("theme", "")
        is_secure = parts.base_url.startswith("https:")
        theme = wanted if wanted in THEMES else ""
        answer.set_cookie(THEME_COOKIE, theme, max_age=YEAR, httponly=True, samesite="Lax", secure=is_secure)  # type: ignore[union-attr]
        return answer
