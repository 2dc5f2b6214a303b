"""One definition, four uses: the reader, the schema, the reference page and the canonical form cannot drift apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import jsonschema
import pytest

from app.core.check import CODES
from app.files import check, findings, reference, schema
from app.files.forms import Form
from app.files.nodes import to_data
from app.files.reader import FORMS
from app.files.shapes import Shape
from app.files.yaml import parse
from tests.files.sites import ROOT, TODAY, base_site, examples

STRUCTURE = jsonschema.Draft202012Validator(schema())


def forms() -> Iterator[Form[object]]:
    seen: set[int] = set()
    waiting: list[Shape[object]] = list(FORMS.values())
    while waiting:
        shape = waiting.pop()
        if id(shape) in seen:
            continue
        seen.add(id(shape))
        waiting.extend(shape.parts())
        if isinstance(shape, Form):
            yield shape


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_of_the_schema_says_what_it_is_for() -> None:
    for form in forms():
        for field in form.fields:
            assert len(field.help) > 5, (form.name, field.key)
            assert field.help.endswith("."), (form.name, field.key)


def test_no_two_forms_share_a_name() -> None:
    names = [form.slug for form in forms()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", sorted({**examples(), **base_site()}))
def test_the_schema_accepts_every_file_that_ships(path: str) -> None:
    if path.endswith(".yaml"):
        for node in parse({**examples(), **base_site()}[path], path, is_many=True)[0]:
            assert [error.message for error in STRUCTURE.iter_errors(to_data(node))] == []


@pytest.mark.parametrize("path", sorted(examples()))
def test_every_example_names_the_schema_for_editors(path: str) -> None:
    depth = path.count("/")
    assert examples()[path].startswith(f"# yaml-language-server: $schema={'../' * depth}parvar.schema.json\n")


def test_the_examples_hold_no_error() -> None:
    sources = {**examples()}
    for path in sorted((ROOT / "email_templates").rglob("*")):
        if path.suffix in (".md", ".html"):
            sources[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
    assert [str(problem) for problem in check(sources, (), TODAY) if problem.is_error] == []


def test_the_pages_and_the_schema_in_the_repository_are_the_ones_the_definitions_write() -> None:
    assert (ROOT / "docs/reference/language.md").read_text("utf-8") == reference()
    assert (ROOT / "docs/reference/findings.md").read_text("utf-8") == findings()
    assert json.loads((ROOT / "parvar.schema.json").read_text("utf-8")) == schema()


def test_the_reference_names_every_key_of_every_form() -> None:
    page = reference()
    for form in forms():
        for field in form.fields:
            assert f"| `{field.key}` |" in page, (form.name, field.key)


def test_every_code_that_can_be_reported_is_described() -> None:
    pattern = re.compile(r'"([a-z]+(?:-[a-z]+)+|tab|tag|anchor|alias|directive|document|shares|yaml)"')
    calls = re.compile(r"(?:finding|error|report|refused|Problem)\(([^()]*)", re.DOTALL)
    for path in [*(ROOT / "app/files").rglob("*.py"), *(ROOT / "app/core/check").rglob("*.py")]:
        for call in calls.finditer(path.read_text("utf-8")):
            code = pattern.search(call[1].split(",\n")[0] if '"' in call[1] else "")
            if code and not code[1].startswith("unknown-"):
                assert code[1] in CODES, (path.name, code[1])
