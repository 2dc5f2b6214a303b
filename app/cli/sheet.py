"""The sheet: one page that shows a mail as phone and desktop, light and dark, and what was said about it.

Owns that page. Nothing is fetched and nothing runs: pictures are put in, frames are sandboxed. Must not render mails.
"""

from __future__ import annotations

from html import escape
from typing import Final

from app.actions.proof import CLIPPED_AT, NoProof, Proof
from app.mail.views import in_scheme, with_pictures, without_pictures

_VIEWS: Final = (("phone", 360), ("desktop", 800))
_STYLE: Final = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:24px;background:#e9ecea;color:#16211c}"
    "h1{font-size:20px;margin:0}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dd{margin:0}"
    "main{display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start}figure{margin:0}"
    "iframe{border:1px solid #9db0a6;background:#fff;height:1100px}pre{white-space:pre-wrap;max-width:80ch;"
    "background:#fff;padding:16px}"
)


def sheet(proof: Proof, *, has_images: bool, refresh: int = 0) -> str:
    """The page; with `refresh` it looks for a newer one every so many seconds."""
    html = proof.message.html
    html = with_pictures(html, proof.pictures) if has_images else without_pictures(html)
    frames = "".join(_frame(html, name, width, dark) for dark in (False, True) for name, width in _VIEWS)
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    found = "".join(f"<li>{escape(str(problem))}</li>" for problem in proof.findings) or "<li>no findings</li>"
    text = escape(proof.message.text)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>{escape(proof.mail)}</title>'
        f'<style>{_STYLE}</style><h1 dir="auto">{escape(proof.message.subject)}</h1><dl>{_facts(proof)}</dl>'
        f'<ul>{found}</ul><main>{frames}</main><h2>Text</h2><pre dir="auto">{text}</pre></html>'
    )


def trouble(mail: str, why: NoProof, *, refresh: int = 0) -> str:
    """The page of a mail that cannot be shown: why, and what to mend."""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    found = "".join(f'<li dir="auto">{escape(str(problem))}</li>' for problem in why.findings)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>{escape(mail)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(mail)}</h1><p>{escape(why.reason)}</p><ul>{found}</ul></html>"
    )


def size_words(proof: Proof) -> str:
    """The size against Gmail's limit."""
    share = proof.size / CLIPPED_AT
    words = "Gmail cuts it off" if proof.is_clipped else f"{share:.0%} of what Gmail shows"
    return f"{proof.size / 1024:.1f} KB of HTML, {words}"


def _facts(proof: Proof) -> str:
    rows = {
        "mail": f"{proof.mail} ({proof.locale})",
        "reader": proof.reader,
        "to": proof.message.envelope_to,
        "size": size_words(proof),
    }
    return "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())


def _frame(html: str, name: str, width: int, dark: bool) -> str:
    shown = in_scheme(html, is_dark=dark)
    caption = f"{name}, {width} px, {'dark' if dark else 'light'}"
    # allow-same-origin would let a mail read the sheet; nothing is allowed at all
    return (
        f'<figure><figcaption>{caption}</figcaption><iframe sandbox width="{width}" title="{caption}" '
        f'srcdoc="{escape(shown)}"></iframe></figure>'
    )
