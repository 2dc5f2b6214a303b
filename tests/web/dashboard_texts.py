"""The texts of the dashboard as they stand in templates, calls and tables, for tests of its catalogue."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "app"
TEMPLATES = [*(ROOT / "web/templates/dashboard").glob("*.html"), *(ROOT / "web/templates/inbox").glob("*.html")]
MODULES = [*(ROOT / "web/dashboard").glob("*.py"), ROOT / "web/inbox.py"]
TABLES = {
    "reasons": ("RESULTS", "RUN_STATES", "MESSAGE_STATES", "PERSON_STATES", "VERDICTS", "VERDICT_REASONS", "WITHDRAWN"),
    "timeline": ("_ANSWERS",),
    "shell": ("KINDS", "_STATES"),
    "flow": ("WEEKDAYS",),
    "home": ("LABELS", "NEEDS", "WANTS"),
    "campaigns": ("STANDINGS",),
    "accounts": ("ROLES", "DEEDS"),
    "door": ("REFUSALS",),
    "delivery": ("SUPPRESSED", "EVIDENCE", "OUTCOMES", "LANES", "ROLES"),
    "work": ("SORTS", "STATES", "WHY"),
    "publish": ("SORTS", "REFUSALS"),
    "why": ("TOPICS", "ACTS"),
    "boxes": ("SHAPES", "CALLS"),
    "boxdoctor": ("WELL", "MENDING"),
    "offers": ("VERDICTS", "REASONS"),
}
_CALL = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
_COUNT = re.compile(r"""\b_n\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")


def texts() -> set[str]:
    """Every English text a page may show."""
    found = {one or other for path in TEMPLATES for one, other in _CALL.findall(path.read_text("utf-8"))}
    found |= {one or other for path in TEMPLATES for one, other in _COUNT.findall(path.read_text("utf-8"))}
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        found |= {*_called(tree), *_tabled(tree, TABLES.get(path.stem, ()))}
        if path.stem == "boxes":
            found |= {"Script", "Script, pinned", "Frame", "Plain form", "Link", "Content policy"}
    refused = ast.parse((ROOT / "actions/accounts.py").read_text("utf-8"))
    found |= {text for node in ast.walk(refused) if _is_call(node, "RefusedError") for text in _first(node)}
    return {text.replace('\\"', '"').replace("\\'", "'") for text in found if text and text != "–"}


def _called(tree: ast.AST) -> set[str]:
    names = ("say", "say_count", "_fixed", "_refusal", "_condition", "_mail", "_plain")
    calls = (node for node in ast.walk(tree) for name in names if _is_call(node, name))
    return {text for call in calls for text in _first(call)}


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _first(node: ast.AST) -> list[str]:
    """The text of a call: the first argument, or for `_plain(sort, text)` the second."""
    assert isinstance(node, ast.Call)
    at = 1 if isinstance(node.func, ast.Name) and node.func.id == "_plain" else 0
    arguments = node.args[at : at + 1]
    return [one.value for one in arguments if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def _tabled(tree: ast.AST, names: tuple[str, ...]) -> set[str]:
    """The texts that are values of some tables, in tuples too, without endpoints."""
    found: set[str] = set()
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id in names:
            value = getattr(node, "value", None)
            values = value.values if isinstance(value, ast.Dict) else getattr(value, "elts", [])
            constants = (each for one in values for each in ast.walk(one) if isinstance(each, ast.Constant))
            found |= {each.value for each in constants if isinstance(each.value, str)}
    return {text for text in found if not text.startswith("dashboard.")}
