"""Every link of a mail gets a number: the table says where it leads, the mail carries a counted address.

Owns naming, topics, exemption and the link marks (`data-link`, `data-topic`, `data-track`). It must not sign anything:
counted addresses are handed in when a message is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote, urlsplit

from app.mail.document import HOLE, Document, Tag
from app.mail.pieces import Kind, Piece

_UNCOUNTED = re.compile(r"links\.(unsubscribe|preferences|view|confirm)\b")
_PLAIN_SCHEMES = ("mailto:", "tel:", "sms:", "cid:", "data:")
_HOST = re.compile(r"[a-z0-9.-]+", re.IGNORECASE)
_MARKS = ("data-link", "data-topic", "data-track")


@dataclass(frozen=True, slots=True)
class Link:
    """Link `number` of a mail. `url` is None when it leads elsewhere for each person."""

    number: int
    url: str | None
    name: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class UtmRule:
    """Parameters added to links that lead to one of `hosts` (all hosts when empty) and have none yet.

    `{mail}` in a value becomes the mail's key, `{link}` the link's name.
    """

    parameters: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()

    def written(self, mail: str, name: str) -> str:
        """The parameters of one link, percent-encoded, `&` between; those without a value are left out."""
        values = ((key, value.replace("{mail}", mail).replace("{link}", name)) for key, value in self.parameters)
        return "&".join(f"{quote(key)}={quote(value, safe='')}" for key, value in values if value)


@dataclass(slots=True)
class Numbering:
    """The links met so far; the same destination under the same name keeps its number."""

    mail: str
    topic: str = ""
    utm: UtmRule = UtmRule()
    links: list[Link] = field(default_factory=list)

    def static(self, url: str, name: str, topic: str) -> Link:
        url = tagged(url, self.utm, self.mail, name)
        for link in self.links:
            if link.url == url and name in (link.name, "") and topic in (link.topic, ""):
                return link
        return self._add(url, name, topic)

    def personal(self, name: str, topic: str) -> Link:
        return self._add(None, name, topic)

    def tagging(self, name: str) -> str:
        """The filter that tags an address known only when a mail is written; empty without a rule."""
        added = self.utm.written(self.mail, name)
        hosts = " ".join(host for host in self.utm.hosts if _HOST.fullmatch(host))
        return f"|_m({added!r}, {hosts!r})" if added and (hosts or not self.utm.hosts) else ""

    def _add(self, url: str | None, name: str, topic: str) -> Link:
        link = Link(len(self.links), url, name, topic or self.topic)
        self.links.append(link)
        return link


def number_links(document: Document, numbering: Numbering) -> None:
    """Replace the destinations of `a`, `area` and VML shapes by counted ones, and take the marks away."""
    document.nodes = [
        _counted(node, document, numbering) if isinstance(node, Tag) and _is_link(node) else node
        for node in document.nodes
    ]


def _is_link(tag: Tag) -> bool:
    return (tag.name in ("a", "area") or tag.name.lower().startswith("v:")) and tag.get("href") is not None


def _counted(tag: Tag, document: Document, numbering: Numbering) -> Tag:
    href = (tag.get("href") or "").strip()
    name, topic, track = (tag.get(mark) or "" for mark in _MARKS)
    tag = tag.without(*_MARKS)
    where = (tag.file, tag.line, tag.column)
    if _is_left_alone(href, document, track == "off"):
        return _kept(tag, href, document)
    holes = document.holes_in(href)
    if not holes:
        return tag.put("href", _static(tag, document, numbering.static(unescape(href), name, topic)))
    link = numbering.personal(name, topic)
    capture = f"_u{link.number}"
    is_ours = holes[0].text.startswith("links.") and HOLE.match(href) is not None
    given = capture + ("" if is_ours else numbering.tagging(name))
    pieces = [Piece(Kind.STATEMENT, f"set {capture}", *where), Piece(Kind.STATEMENT, "endset", *where)]
    call = Piece(Kind.EXPRESSION, f"_person({link.number}, {given})", *where)
    start, end, shown = document.add(pieces[0]), document.add(pieces[1]), document.add(call)
    return tag.put("href", f"{start}{escaped_url_holes(href, document)}{end}{shown}")


def _static(tag: Tag, document: Document, link: Link) -> str:
    return document.add(Piece(Kind.EXPRESSION, f"_l[{link.number}]", tag.file, tag.line, tag.column))


def _is_left_alone(href: str, document: Document, is_off: bool) -> bool:
    if is_off or not href or href.startswith("#") or href.lower().startswith(_PLAIN_SCHEMES):
        return True
    holes = document.holes_in(href)
    if holes and HOLE.match(href):
        return _UNCOUNTED.match(holes[0].text) is not None
    return urlsplit(unescape(HOLE.sub("x", href))).scheme.lower() not in ("http", "https")


def _kept(tag: Tag, href: str, document: Document) -> Tag:
    """A destination nobody counts, kept exactly as written."""
    if document.holes_in(href):
        return tag.put("href", escaped_url_holes(href, document))
    return tag.put("href", document.add(Piece(Kind.DATA, href.replace('"', "&quot;"), tag.file, tag.line, tag.column)))


def escaped_url_holes(href: str, document: Document) -> str:
    """Expressions inside an address: whole when they begin it, percent-encoded when they stand within."""
    for match in HOLE.finditer(href):
        number = int(match[1])
        piece = document.holes[number]
        if piece.kind is Kind.EXPRESSION and not piece.text.endswith(("|_u", "|_q")):
            shown = "_u" if match.start() == 0 else "_q"
            document.holes[number] = Piece(
                Kind.EXPRESSION, f"({piece.text})|{shown}", piece.file, piece.line, piece.column
            )
    return href


def tagged(url: str, rule: UtmRule, mail: str, name: str) -> str:
    """The address with the rule's parameters, unless it has them or leads elsewhere. The rest stays byte for byte."""
    return with_parameters(url, rule.written(mail, name), rule.hosts)


def with_parameters(url: str, parameters: str, hosts: Iterable[str]) -> str:
    """The address with parameters (percent-encoded, `&` between) it does not have yet, when it leads to one of `hosts`
    (any when empty).
    """
    own = tuple(hosts)
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # brackets that are no address
        return url
    if not host or (own and not any(host == each or host.endswith("." + each) for each in own)):
        return url
    base, mark, fragment = url.partition("#")
    query = base.partition("?")[2]
    taken = {part.partition("=")[0] for part in query.split("&")}
    added = "&".join(part for part in parameters.split("&") if part and part.partition("=")[0] not in taken)
    if not added:
        return url
    joint = "&" if query else ("" if base.endswith("?") else "?")
    return f"{base}{joint}{added}{mark}{fragment}"
