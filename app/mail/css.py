"""Style sheets of mails, split into what can be written on the elements and what must stay in the head.

Owns the reading of CSS (tinycss2) and the cascade of one element. It must never fetch anything: an @import is dropped
here and reported by the lint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import tinycss2
from cssselect import SelectorError
from cssselect import parse as parse_selector

_HACKS = re.compile(
    r"ExternalClass|ReadMsgBody|#outlook|yshortcuts|#MessageViewBody|MsoNormal|\.gmail|\[data-|\[class[~|^$*]?=|\[id[~|^$*]?=|\[x-apple|\[owa|"
    r"\bu\s*\+|\*|\[style|::|_:|>\s*u\b|\.moz-text|\.a5q|\.aolmail|\.thread-item|div\[style",
    re.IGNORECASE,
)
_PSEUDO = re.compile(r":(?!(first|last)-child\s*\Z)")
_TREE_PSEUDO = re.compile(r":(first|last|only|nth|empty|not|has)|[+~](?!=)", re.IGNORECASE)
_IMPORT = re.compile(r"@import\b[^;]*;?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One property; `value` is verbatim and without `!important`."""

    name: str
    value: str
    is_important: bool

    def __str__(self) -> str:
        return f"{self.name}:{self.value}{' !important' if self.is_important else ''}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for one selector that can be written on elements."""

    selector: str
    specificity: tuple[int, int, int]
    declarations: tuple[Declaration, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """`kept` is verbatim CSS for the head; `imports` are addresses nobody will fetch."""

    rules: tuple[Rule, ...]
    kept: str
    imports: tuple[str, ...]
    depends_on_siblings: bool


@lru_cache(maxsize=128)
def read_sheet(css: str) -> Sheet:
    """Split a style sheet. Total: what cannot be read is kept as written."""
    rules: list[Rule] = []
    kept: list[str] = []
    imports: list[str] = []
    css = re.sub(r"<!--|-->", "", css)
    for node in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        text = _written(node)
        if node.type == "at-rule" and node.lower_at_keyword == "import":
            imports.append(text)
        elif node.type == "at-rule" and node.lower_at_keyword == "charset":
            continue
        elif node.type == "qualified-rule":
            inlined, rest = _split(node)
            rules.extend(inlined)
            kept.extend(rest)
        elif node.type == "error":
            continue
        else:
            kept.append(text)
    siblings = any(_TREE_PSEUDO.search(rule.selector) for rule in rules)
    return Sheet(tuple(rules), "\n".join(kept), tuple(imports), siblings)


def _written(*nodes: tinycss2.ast.Node) -> str:
    """Nodes as CSS; a part nobody can read (it may stand deep inside) leaves nothing."""
    try:
        return str(tinycss2.serialize(nodes)).strip()
    except TypeError:
        return ""


def _split(node: tinycss2.ast.QualifiedRule) -> tuple[list[Rule], list[str]]:
    body = _written(*node.content)
    found = declarations(body)
    rules: list[Rule] = []
    stay: list[str] = []
    for selector in _selectors(_written(*node.prelude)):
        weight = None if _HACKS.search(selector) or _PSEUDO.search(selector) else _specificity(selector)
        if weight is None:
            stay.append(selector)
        else:
            rules.append(Rule(selector, weight, found, f"{selector} {{ {body} }}"))
    return rules, ([f"{', '.join(stay)} {{ {body} }}"] if stay else [])


def _selectors(prelude: str) -> Iterable[str]:
    """The selectors of a rule; commas inside brackets do not separate."""
    return (part.strip() for part in re.split(r",(?![^(\[]*[)\]])", prelude) if part.strip())


def _specificity(selector: str) -> tuple[int, int, int] | None:
    """None for a selector our matcher cannot carry out."""
    try:
        parsed = parse_selector(selector)
    except (SelectorError, ValueError):
        return None
    if len(parsed) != 1 or parsed[0].pseudo_element:
        return None
    ids, classes, elements = parsed[0].specificity()
    return ids, classes, elements


def declarations(body: str) -> tuple[Declaration, ...]:
    """The declarations of a rule or a style attribute, in order; values stay as written, whatever they are."""
    found = []
    for part in _parts(body):
        name, colon, value = part.partition(":")
        name = name.strip()
        if not colon or not name or not value.strip():
            continue
        bare = re.sub(r"!\s*important\s*\Z", "", value.strip(), flags=re.IGNORECASE).strip()
        found.append(Declaration(name if name.startswith("--") else name.lower(), bare, len(bare) < len(value.strip())))
    return tuple(found)


def _parts(body: str) -> Iterable[str]:
    """Cut at semicolons outside quotes and brackets."""
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    return re.findall(r"""(?:[^;"'()]|"[^"]*"|'[^']*'|\((?:[^()"']|"[^"]*"|'[^']*'|\([^()]*\))*\)|["'()])+""", body)


def cascade(found: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """What an element ends up with: of declarations in rising order the last wins, important ones first of all.

    The winner stands where it was last declared, so that shorthands keep their meaning.
    """
    kept: dict[str, Declaration] = {}
    for declaration in found:
        old = kept.get(declaration.name)
        if old is not None and old.is_important and not declaration.is_important:
            continue
        kept.pop(declaration.name, None)
        kept[declaration.name] = declaration
    return tuple(kept.values())
