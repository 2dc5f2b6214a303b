"""The sheet: one page that shows a mail as phone and desktop, light and dark, and what was said about it.

Owns that page. Nothing is fetched and nothing runs: pictures are put in, frames are sandboxed. Must not render mails.
"""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape
from typing import Final

from app.actions.proof import CLIPPED_AT, Proof

_VIEWS: Final = (("phone", 360), ("desktop", 800))
_DARK: Final = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_LIGHT: Final = "@media not all"
_IMAGE: Final = re.compile(r'(<img\b[^>]*?\ssrc=")([^"]*)(")', re.IGNORECASE)
_STYLE: Final = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:24px;background:#e9ecea;color:#16211c}"
    "h1{font-size:20px;margin:0}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dd{margin:0}"
    "main{display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start}figure{margin:0}"
    "iframe{border:1px solid #9db0a6;background:#fff;height:1100px}pre{white-space:pre-wrap;max-width:80ch;"
    "background:#fff;padding:16px}"
)


def sheet(proof: Proof, *, has_images: bool, refresh: int = 0) -> str:
    """The page; with `refresh` it looks for a newer one every so many seconds."""
    html = with_pictures(proof) if has_images else without_images(proof.message.html)
    frames = "".join(_frame(html, name, width, dark) for dark in (False, True) for name, width in _VIEWS)
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    found = "".join(f"<li>{escape(str(problem))}</li>" for problem in proof.findings) or "<li>no findings</li>"
    text = escape(proof.message.text)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>{escape(proof.mail)}</title>'
        f'<style>{_STYLE}</style><h1 dir="auto">{escape(proof.message.subject)}</h1><dl>{_facts(proof)}</dl>'
        f'<ul>{found}</ul><main>{frames}</main><h2>Text</h2><pre dir="auto">{text}</pre></html>'
    )


def size_words(proof: Proof) -> str:
    """The size against Gmail's limit."""
    share = proof.size / CLIPPED_AT
    words = "Gmail cuts it off" if proof.is_clipped else f"{share:.0%} of what Gmail shows"
    return f"{proof.size / 1024:.1f} KB of HTML, {words}"


def with_pictures(proof: Proof) -> str:
    """The HTML with published pictures in the place of their addresses: nothing is hosted yet."""
    html = proof.message.html
    for name, data in proof.pictures.items():
        kind = "jpeg" if name.endswith(".jpg") else name.rpartition(".")[2]
        uri = f"data:image/{kind};base64,{b64encode(data).decode()}"
        html = re.sub(rf'https?://[^"\s]*/i/{re.escape(name)}', lambda _, uri=uri: uri, html)  # type: ignore[misc]
    return html


def without_images(html: str) -> str:
    """As programs show it that load no pictures: alternative texts only."""
    return _IMAGE.sub(r"\1\3", html)


def _facts(proof: Proof) -> str:
    rows = {
        "mail": f"{proof.mail} ({proof.locale})",
        "reader": proof.reader,
        "to": proof.message.envelope_to,
        "size": size_words(proof),
    }
    return "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())


def _frame(html: str, name: str, width: int, dark: bool) -> str:
    shown = _DARK.sub("@media all" if dark else _LIGHT, html)
    caption = f"{name}, {width} px, {'dark' if dark else 'light'}"
    # allow-same-origin would let a mail read the sheet; nothing is allowed at all
    return (
        f'<figure><figcaption>{caption}</figcaption><iframe sandbox width="{width}" title="{caption}" '
        f'srcdoc="{escape(shown)}"></iframe></figure>'
    )
