"""Which names a mail may use, and the check that it uses no other.

Owns `check_mail` and `links_of`, which the checker of campaigns calls. It must not guess what a campaign provides: the
names are handed in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError, nodes

from app.core.problem import Problem
from app.mail.components import NO_FACTS, SiteFacts
from app.mail.document import scan
from app.mail.flatten import flatten, line_template
from app.mail.link_table import Numbering, number_links
from app.mail.pieces import Kind, Piece, SyntaxFault
from app.mail.source import Layouts, MailSource
from app.mail.templates import environment

_ALWAYS = frozenset({"lang", "dir", "loop", "range", "caller", "varargs", "kwargs", "namespace", "cycler", "joiner"})
LINK_NAMES = frozenset(
    {"links.unsubscribe", "links.preferences", "links.view", "links.referral", "links.magnet()", "links.confirm"}
)
SITE_NAMES = frozenset({"site.name", "site.slogan", "site.url", "site.postal_address"})


@dataclass(frozen=True, slots=True)
class VariableNames:
    """Dotted paths a template may use: `subscriber.first_name`, `event.total`, `links.magnet()`, `content.nasrin.*`.

    `()` marks a function, a last part of `*` stands for anything below.
    """

    paths: frozenset[str]

    def __or__(self, other: VariableNames) -> VariableNames:
        return VariableNames(self.paths | other.paths)

    def __and__(self, other: VariableNames) -> VariableNames:
        """What two campaigns both provide: the names of a mail that both send."""
        return VariableNames(self.paths & other.paths)

    def knows(self, path: str) -> bool:
        """Whether a path is a name, leads to one, or goes on from one."""
        for known in self.paths:
            stem = known.removesuffix(".*")
            if path in (known, stem) or known.startswith((path + ".", path + "()")) or path.startswith(stem + "."):
                return True
            if known.endswith("()") and path.startswith(known):
                return True
        return False

    def nearest(self, path: str) -> str:
        """The known path most like this one; empty when none is."""
        stem, _, last = path.rpartition(".")
        siblings = {known.rpartition(".")[2]: known for known in sorted(self.paths) if known.rpartition(".")[0] == stem}
        near = difflib.get_close_matches(last, siblings, 1, 0.6)
        if near:
            return siblings[near[0]]
        near = difflib.get_close_matches(path, sorted(self.paths), 1, 0.8)
        return near[0] if near else ""


@dataclass(frozen=True, slots=True)
class MailLinks:
    """What conditions may ask of a mail's links."""

    names: tuple[str, ...]
    topics: tuple[str, ...]


def check_mail(
    mail: MailSource, layouts: Layouts, names: VariableNames, facts: SiteFacts = NO_FACTS
) -> tuple[Problem, ...]:
    """Every name, filter and tag of a mail, its subjects and its layout against what it will be given."""
    try:
        flat = flatten(mail, layouts, facts)
        lines = [line_template(text, mail.file) for text in mail.subjects]
    except SyntaxFault as fault:
        return (fault.problem,)
    bodies = [(*flat.prologue, *flat.pieces), *lines]
    # the subject stands in the title as well: each finding once
    return tuple(dict.fromkeys(problem for body in bodies for problem in check_pieces(body, names, mail.file)))


def links_of(mail: MailSource, layouts: Layouts) -> MailLinks:
    """The named links and the topics of a mail; empty for a mail that cannot be read."""
    numbering = Numbering(mail.key, mail.front.topic)
    try:
        number_links(scan(flatten(mail, layouts).pieces), numbering)
    except SyntaxFault:
        return MailLinks((), ())
    names = {link.name for link in numbering.links if link.name}
    topics = {link.topic for link in numbering.links if link.topic}
    return MailLinks(tuple(sorted(names)), tuple(sorted(topics)))


def variables_of(mail: MailSource, layouts: Layouts) -> frozenset[str]:
    """The names a mail uses, each with its first attribute: `offer.code`, `survey`; empty when it cannot be read."""
    try:
        flat = flatten(mail, layouts)
        lines = [line_template(text, mail.file) for text in mail.subjects]
        used = [path for body in ((*flat.prologue, *flat.pieces), *lines) for path in _read(body)]
    except (SyntaxFault, TemplateSyntaxError):
        return frozenset()
    return frozenset(".".join(path.replace("()", "").split(".")[:2]) for path in used)


def _read(pieces: tuple[Piece, ...]) -> list[str]:
    source = "\n".join(_line(piece) for piece in pieces if not piece.is_data)
    return [path for path, _ in _used(environment("en").parse(source))]


def differing_twins(twins: Iterable[MailSource], layouts: Layouts) -> tuple[Problem, ...]:
    """Locales of one mail whose named links or subject variants are not the same: a condition would fail for some."""
    mails = list(twins)
    problems: list[Problem] = []
    for mail in mails[1:]:
        first = mails[0]
        mine, theirs = set(links_of(mail, layouts).names), set(links_of(first, layouts).names)
        problems.extend(_missing(mail, first, theirs - mine, "link"))
        problems.extend(_missing(first, mail, mine - theirs, "link"))
        problems.extend(_missing(mail, first, set(first.subject_variants) - set(mail.subject_variants), "subject"))
        problems.extend(_missing(first, mail, set(mail.subject_variants) - set(first.subject_variants), "subject"))
    return tuple(problems)


def _missing(mail: MailSource, other: MailSource, names: set[str], kind: str) -> Iterator[Problem]:
    for name in sorted(names):
        fix = f"name a link here too: {{name={name}}}" if kind == "link" else f'add to `subjects`: {name}: "…"'
        yield Problem(f"twin-{kind}", mail.file, 1, 1, f"{other.file} has the {kind} `{name}`, this file has not", fix)


def check_pieces(pieces: tuple[Piece, ...], names: VariableNames | None, file: str) -> tuple[Problem, ...]:
    """Syntax, filters and (when given) names of a flat template, each found at its own place."""
    live = [piece for piece in pieces if not piece.is_data]
    source = "\n".join(_line(piece) for piece in live)
    sandbox = environment("en")
    try:
        tree = sandbox.parse(source)
        sandbox.compile(tree)
        tree = sandbox.parse(source)
    except TemplateSyntaxError as fault:
        return (_syntax(live, fault, file),)
    if names is None:
        return ()
    return tuple(_unknown(live, path, line, names) for path, line in _used(tree) if not names.knows(path))


def _line(piece: Piece) -> str:
    """A piece on a line of its own, so that a line number names a piece."""
    text = re.sub(r"\s*\n\s*", " ", piece.text)
    return "{{ " + text + " }}" if piece.kind is Kind.EXPRESSION else "{% " + text + " %}"


def _syntax(live: list[Piece], fault: TemplateSyntaxError, file: str) -> Problem:
    message = f"this template cannot be read: {fault.message}"
    fix = "see the list of tags and filters in the reference of mails"
    if not live:
        return Problem("template-syntax", file, 1, 1, message, fix)
    return live[min(max(fault.lineno, 1), len(live)) - 1].problem("template-syntax", message, fix)


def _unknown(live: list[Piece], path: str, line: int, names: VariableNames) -> Problem:
    piece = live[min(line, len(live)) - 1]
    offset = _offset(piece.text, path)
    near = names.nearest(path)
    root = path.partition(".")[0].removesuffix("()")
    below = sorted(known for known in names.paths if known.startswith(root + "."))
    fix = (
        f"did you mean `{near}`?"
        if near
        else ("known here: " + ", ".join(below or sorted(_roots(names))) if names.paths else "")
    )
    before = piece.text[:offset]
    row = before.count("\n")
    column = len(before) - before.rfind("\n") if row else piece.column + 3 + offset
    return Problem(
        "unknown-variable", piece.file, piece.line + row, column, f"`{path}` is not provided to this mail", fix
    )


def _roots(names: VariableNames) -> set[str]:
    return {path.partition(".")[0] for path in names.paths}


def _offset(text: str, path: str) -> int:
    """Where a dotted path stands in the text of its piece."""
    parts = [re.escape(part.removesuffix("()")) for part in path.split(".")]
    match = re.search(r"\b" + r"\s*[.\[]\s*[\"']?".join(parts), text) or re.search(rf"\b{parts[0]}\b", text)
    return match.start() if match else 0


def _used(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Every dotted path that begins with a name the template does not set itself."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")} | _ALWAYS
    own |= {node.name for node in tree.find_all(nodes.Macro)}
    seen: set[tuple[str, int]] = set()
    for path, line in _paths(tree):
        if path.partition(".")[0].removesuffix("()") not in own and (path, line) not in seen:
            seen.add((path, line))
            yield path, line


def _paths(node: nodes.Node) -> Iterator[tuple[str, int]]:
    path = _path(node)
    if path:
        yield path, node.lineno
        while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Call):
            if isinstance(node, nodes.Call):
                for part in (*node.args, *node.kwargs):
                    yield from _paths(part)
            node = node.node
        return
    for child in node.iter_child_nodes():
        yield from _paths(child)


def _path(node: nodes.Node) -> str:
    match node:
        case nodes.Name(ctx="load"):
            return str(node.name)
        case nodes.Getattr():
            stem = _path(node.node)
            return f"{stem}.{node.attr}" if stem else ""
        case nodes.Getitem(arg=nodes.Const(value=str() as key)):
            stem = _path(node.node)
            return f"{stem}.{key}" if stem else ""
        case nodes.Call():
            stem = _path(node.node)
            return f"{stem}()" if stem else ""
        case _:
            return ""
