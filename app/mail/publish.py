"""The publish step: once per mail version and locale, never per reader.

Owns the order of the work: flatten, number links, place pictures, write the text part, inline, prove the result on
samples. Everything slow about a mail happens here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jinja2 import TemplateError, meta

from app.core.problem import Problem
from app.mail import encode
from app.mail.compare import first_difference, same_mail
from app.mail.compiled import CompiledMail, Refused
from app.mail.components import SiteFacts
from app.mail.document import HOLE, Document, End, Node, Run, Tag, Where, scan
from app.mail.flatten import Flat, flatten, line_template
from app.mail.front_matter import Located
from app.mail.images import Pictures, no_file, place_images
from app.mail.inline import inline, inline_document
from app.mail.link_table import Numbering, UtmRule, number_links
from app.mail.lint import attach, lint, settled
from app.mail.names import VariableNames, check_pieces
from app.mail.pieces import Kind, Piece, SyntaxFault, join
from app.mail.plain_text import text_template
from app.mail.samples import sample_variables
from app.mail.source import Layouts, MailSource
from app.mail.templates import environment

_TOKEN = re.compile(r"<!--zq(\d+)qz-->|zq(\d+)qz")
_COMMENT_TOKEN = re.compile(r"<!--zq(\d+)qz-->")
_SHOWN = re.compile(r"\|_[tauqcpw]\Z|\A_[a-z]+[\[(]|\A_pixel\Z")
_OWN_NAMES = frozenset({"_l", "_person", "_pixel", "_images"})
_FILTERS = {
    Where.TEXT: "_t", Where.ATTRIBUTE: "_a", Where.RAW: "_a", Where.HIDDEN: "_a", Where.STYLE: "_c", Where.TAG: "_c",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What the site decides about all mails.

    With the site's address among the `facts`, links below `{{ site.url }}` are the same for everybody. `files(path)`
    gives the bytes of a picture or attachment beside the mails, or None. `names` are the variables the campaigns that
    send this mail provide; None leaves names unchecked.
    """

    facts: SiteFacts = SiteFacts()
    utm: UtmRule = UtmRule()
    files: Callable[[str], bytes | None] = no_file
    names: VariableNames | None = None


@dataclass(slots=True)
class _Draft:
    mail: MailSource
    options: PublishOptions
    document: Document
    prologue: Document
    numbering: Numbering
    findings: list[Problem] = field(default_factory=list)

    def finding(self, code: str, message: str, fix: str) -> None:
        self.findings.append(Problem(code, self.mail.file, self.mail.body_line, 1, message, fix, "warning"))


def compile_mail(mail: MailSource, layouts: Layouts, options: PublishOptions | None = None) -> CompiledMail | Refused:
    """Make a mail ready to send, or say why it cannot be. Warnings are on the result's `findings`."""
    options = options or PublishOptions()
    try:
        flat = flatten(mail, layouts, options.facts)
        lines = _lines(mail)
        problems = _checked(mail, flat, lines, options)
        if any(problem.is_error for problem in problems):
            return Refused(problems)
        return _compiled(mail, flat, lines, options)
    except SyntaxFault as fault:
        return Refused((fault.problem,))


def _lines(mail: MailSource) -> dict[str, tuple[Piece, ...]]:
    """The subjects by variant ("" is the plain one)."""
    texts: list[tuple[str, Located | None]] = [("", mail.front.subject), *mail.front.subjects]
    return {name: line_template(text, mail.file) for name, text in texts}


def _checked(
    mail: MailSource, flat: Flat, lines: dict[str, tuple[Piece, ...]], options: PublishOptions
) -> tuple[Problem, ...]:
    bodies = [(*flat.prologue, *flat.pieces), *lines.values()]
    return tuple(dict.fromkeys(found for body in bodies for found in check_pieces(body, options.names, mail.file)))


def _compiled(
    mail: MailSource, flat: Flat, lines: dict[str, tuple[Piece, ...]], options: PublishOptions
) -> CompiledMail | Refused:
    draft, pictures, text = _drafted(mail, flat, options)
    html, is_inlined = _html(draft)
    subjects = {name: join(_plain(pieces)) for name, pieces in lines.items()}
    names = _names(mail, html, text, *subjects.values())
    attachments, missing = attach(mail, options.files)
    compiled = CompiledMail(
        key=mail.key,
        locale=mail.locale,
        subject=subjects.pop(""),
        html=html,
        text=text,
        subjects=tuple(subjects.items()),
        links=tuple(draft.numbering.links),
        attachments=(*attachments, *pictures.embedded),
        images=tuple(pictures.hosted),
        names=tuple(sorted(names)),
        topic=mail.front.topic,
        is_service=mail.is_service,
        is_inlined=is_inlined,
        is_base64=encode.prefers_base64(html),
    )
    found = (*missing, *pictures.problems, *draft.findings, *lint(mail, draft.document, compiled))
    findings = tuple(settled(mail, found))
    if any(problem.is_error for problem in findings):
        return Refused(findings)
    return replace(compiled.sealed(), findings=findings)


def uninlined(mail: MailSource, layouts: Layouts, options: PublishOptions) -> str:
    """The same HTML template with its styles still in the head, as authors want to see it. Raises SyntaxFault."""
    draft, _, _ = _drafted(mail, flatten(mail, layouts, options.facts), options)
    return _whole(draft)


def _drafted(mail: MailSource, flat: Flat, options: PublishOptions) -> tuple[_Draft, Pictures, str]:
    """Links, pictures and filters done; with the template of the text part."""
    numbering = Numbering(mail.key, mail.front.topic, options.utm)
    draft = _Draft(mail, options, scan(flat.pieces), scan(flat.prologue), numbering)
    pictures = _prepare(draft)
    text = _prologue(draft) + text_template(draft.document, mail.locale)
    _add_pixel(draft.document)
    _drop_marks(draft.document)
    return draft, pictures, text


def _whole(draft: _Draft) -> str:
    return _prologue(draft) + "".join(draft.document.filled(str(node)) for node in draft.document.nodes)


def _prepare(draft: _Draft) -> Pictures:
    """Links, pictures, white space and the filter of every hole."""
    pictures = Pictures(draft.options.files, draft.mail.file)
    for document in (draft.prologue, draft.document):
        number_links(document, draft.numbering)
        place_images(document, pictures)
        _squeeze(document)
        _show(document)
    return pictures


def _show(document: Document) -> None:
    """Give every expression the filter of the place where it stands."""
    styled = {number for number, where, node in document.placed() if _is_in_style(number, node)}
    for number, where, _ in list(document.placed()):
        piece = document.holes[number]
        if piece.kind is Kind.EXPRESSION and not _SHOWN.search(piece.text):
            name = "_c" if number in styled else _FILTERS[where]
            document.holes[number] = Piece(
                Kind.EXPRESSION, f"({piece.text})|{name}", piece.file, piece.line, piece.column
            )


def _is_in_style(number: int, node: Node) -> bool:
    return isinstance(node, Tag) and f"\ue000{number}\ue001" in (node.get("style") or "")


def _squeeze(document: Document) -> None:
    """Indentation is for authors."""
    depth = 0
    for at, node in enumerate(document.nodes):
        if isinstance(node, Tag | End) and node.name == "pre":
            depth += 1 if isinstance(node, Tag) else -1
        elif isinstance(node, Run) and not node.inside and depth <= 0:
            text = re.sub(r"[ \t]*\n\s*", "\n", node.text.replace("\u00a0", "&nbsp;"))
            document.nodes[at] = Run(re.sub(r"[ \t]{2,}", " ", text), node.inside, node.is_hidden)


def _drop_marks(document: Document) -> None:
    """`data-text` spoke to the text part only."""
    document.nodes = [node.without("data-text") if isinstance(node, Tag) else node for node in document.nodes]


def _add_pixel(document: Document) -> None:
    """Before the end of the body, outside every table."""
    hole = Run(document.add(Piece(Kind.EXPRESSION, "_pixel", "", 1, 1)), "", is_hidden=False)
    ends = [at for at, node in enumerate(document.nodes) if isinstance(node, End) and node.name == "body"]
    document.nodes.insert(ends[-1] if ends else len(document.nodes), hole)


def _prologue(draft: _Draft) -> str:
    """Macros and assignments, without the line breaks between them."""
    return "".join(draft.prologue.filled(str(node)) for node in draft.prologue.nodes).strip()


def _html(draft: _Draft) -> tuple[str, bool]:
    """The HTML template, and whether its styles are written already."""
    head = _prologue(draft)
    plain = _whole(draft)
    reason = _dependence(draft.document)
    if not reason:
        inlined, reason = _inlined(draft.document)
        if not reason:
            reason = _disproof(draft.mail, plain, head + inlined)
        if not reason:
            return head + inlined, True
    draft.finding(
        "inlined-per-reader",
        f"styles must be written for each reader: {reason}",
        "keep structure, classes and selectors free of data",
    )
    return plain, False


def _dependence(document: Document) -> str:
    """Why the structure depends on data, as far as the template shows."""
    for number, where, node in document.placed():
        piece = document.holes[number]
        place = f"{piece.file}:{piece.line}"
        if where is Where.TAG:
            return f"a condition stands among the attributes of <{getattr(node, 'name', '')}> ({place})"
        if where is Where.STYLE and piece.kind is Kind.STATEMENT:
            return f"the style sheet has a condition ({place})"
        if isinstance(node, Tag) and any(f"\ue000{number}\ue001" in (node.get(name) or "") for name in ("class", "id")):
            return f"a class or id comes from data ({place})"
        if piece.kind is Kind.EXPRESSION and re.search(r"\|\s*safe\b", piece.text):
            return f"HTML comes from data ({place})"
    css = "".join(node.text for node in document.nodes if isinstance(node, Run) and node.inside == "style")
    return "a rule speaks of <bdi>, which stands around data" if re.search(r"\bbdi\b[^}]*\{", css) else ""


def _inlined(document: Document) -> tuple[str, str]:
    """The inlined template, or why it could not be made: every hole must come back once and in order."""
    marked = "".join(_marked(node) for node in document.nodes)
    result = inline_document(marked)
    has_structure = any(document.holes[int(number)].kind is Kind.STATEMENT for number in _COMMENT_TOKEN.findall(marked))
    if result.has_sibling_rules and has_structure:
        return "", "a selector counts neighbours, and their number depends on data"
    in_style = {number for number, where, _ in document.placed() if where is Where.STYLE}
    if _COMMENT_TOKEN.findall(marked) != _COMMENT_TOKEN.findall(result.html):
        return "", "a part of the mail stands where HTML allows none"
    if _counts(marked, in_style) != _counts(result.html, in_style):
        return "", "an attribute was lost, given twice or unquoted"
    return _unmarked(document, result.html), ""


def _marked(node: Node) -> str:
    is_text = isinstance(node, Run) and not node.inside and not node.is_hidden
    return HOLE.sub(lambda match: f"<!--zq{match[1]}qz-->" if is_text else f"zq{match[1]}qz", str(node))


def _counts(html: str, without: set[int]) -> list[int]:
    return sorted(number for found in _TOKEN.findall(html) if (number := int(found[0] or found[1])) not in without)


def _unmarked(document: Document, html: str) -> str:
    return document.filled(_TOKEN.sub(lambda match: f"\ue000{match[1] or match[2]}\ue001", html))


def _disproof(mail: MailSource, plain: str, inlined: str) -> str:
    """Render both ways for sample readers; the first difference refutes the fast way."""
    sandbox = environment(mail.locale)
    names = _names(mail, plain)
    try:
        slow, fast = sandbox.from_string(plain), sandbox.from_string(inlined)
        for variables in sample_variables(names):
            one, other = inline(slow.render(variables)), fast.render(variables)
            if not same_mail(one, other):
                return f"the result differs for a sample reader: {first_difference(one, other)}"
    except (TemplateError, TypeError, ValueError) as fault:
        return f"a sample reader could not be tried: {fault}"
    return ""


def _names(mail: MailSource, *sources: str) -> frozenset[str]:
    sandbox = environment(mail.locale)
    found = {name for source in sources for name in meta.find_undeclared_variables(sandbox.parse(source))}
    return frozenset(found - _OWN_NAMES)


def _plain(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    return tuple(
        piece
        if piece.kind is not Kind.EXPRESSION
        else Piece(piece.kind, f"({piece.text})|_p", piece.file, piece.line, piece.column)
        for piece in pieces
    )
