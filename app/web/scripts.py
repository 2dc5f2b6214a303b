"""Scripts: what pages of other sites load to show a box, and the snippets that load it.

Owns serving the few files of static/box, small and with the headers other sites need. Must not know any box.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from app.core.boxes import Box, BoxShape
from app.web.parts import Parts

FOLDER = Path(__file__).parent / "static" / "box"
PARTS_OF_BOX = ("box", "work", "dates", "doctor")


def blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("scripts", __name__)

    @pages.get("/b/<name>.js")
    def script(name: str) -> ResponseReturnValue:
        """`embed.js`, the modules, and `<box>.js`, which is the loader with a box of its own."""
        shelved = None if name in ("embed", *PARTS_OF_BOX) else parts.shelved()
        if shelved is not None and name not in shelved.workspace.boxes:
            abort(404)
        return _served(name if name in PARTS_OF_BOX else "embed")

    return pages


def _served(name: str) -> Response:
    text, digest = squeezed(name)
    response = Response(text, mimetype="text/javascript")
    response.set_etag(digest)
    is_pinned = request.args.get("v") == digest
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_pinned else "public, max-age=300"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.make_conditional(request)
    return response


@lru_cache
def squeezed(name: str) -> tuple[str, str]:
    """A script without its remarks and indents, and a name for exactly this text."""
    text = (FOLDER / f"{name}.js").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    plain = "\n".join(line for line in lines if line and not line.startswith("//"))
    plain = re.sub(
        r"^(const css = `\n)(.*?)(`)", lambda css: css[1] + css[2].replace("\n", "") + css[3], plain, flags=re.DOTALL
    )
    return plain, hashlib.sha256(plain.encode()).hexdigest()[:12]


def integrity(name: str) -> str:
    """The digest for an `integrity` attribute (Subresource Integrity)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(squeezed(name)[0].encode()).digest()).decode()


# ── Snippets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Snippets:
    """The ways to put a box onto a page, ready to copy; `policy` is what a strict page has to allow."""

    script: str
    pinned: str
    frame: str
    form: str
    link: str
    policy: str


def snippets(base_url: str, box: Box, locale: str, room: int = 0) -> Snippets:
    """The snippets of a box. A box that comes by itself needs no place in the page.

    `room`: pixels kept free for a box in its place, by an empty picture, which needs no style and so passes any policy.
    """
    key = escape(box.key)
    kept = f'<svg width="1" height="{room}" aria-hidden="true"></svg>' if room else ""
    place = f'<div data-parvar="{key}">{kept}</div>\n' if box.shape in (BoxShape.INLINE, BoxShape.LOCKER) else ""
    name = "embed" if place else key
    digest = squeezed("embed")[1]
    title = escape(box.title.in_locale(locale))
    button = escape(box.button.in_locale(locale) or "OK")
    pinned = f'src="{base_url}/b/{name}.js?v={digest}" integrity="{integrity("embed")}" crossorigin="anonymous"'
    return Snippets(
        script=f'{place}<script async src="{base_url}/b/{name}.js"></script>',
        pinned=f"{place}<script async {pinned}></script>",
        frame=(
            f'<iframe src="{base_url}/b/{key}?frame&amp;lang={locale}" title="{title}" width="100%" height="620" '
            f'sandbox="allow-forms allow-popups" loading="lazy"></iframe>'
        ),
        form=(
            f'<form method="post" action="{base_url}/b/{key}?lang={locale}" accept-charset="utf-8">\n'
            f'  <label>{title} <input type="email" name="email" required autocomplete="email"></label>\n'
            f"  <button>{button}</button>\n</form>"
        ),
        link=f"{base_url}/b/{key}?lang={locale}",
        policy=f"script-src {base_url}; connect-src {base_url}; img-src {base_url}; frame-src {base_url}",
    )
