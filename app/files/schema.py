"""The JSON Schema of the language, for completion, hover texts and validation in editors.

Owns the file's outermost shape; everything inside is written by the forms themselves. Must not read any file.
"""

from __future__ import annotations

from typing import Final

from app.files.nodes import Data
from app.files.reader import FORMS
from app.files.shapes import Definitions

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Data]:
    """One schema for every file under `campaigns/`: the first key says which of them is meant."""
    definitions = Definitions()
    cases: list[Data] = []
    for kind, form in FORMS.items():
        then = form.schema(definitions)
        cases.append({"if": {"required": [str(kind)]}, "then": then})
    first: list[Data] = [{"required": [str(kind)]} for kind in FORMS]
    return {
        "$schema": DIALECT,
        "title": "A file of the campaign language",
        "description": "The first key says what the file is: " + ", ".join(FORMS) + ".",
        "type": "object",
        "anyOf": first,
        "allOf": cases,
        "$defs": dict(definitions.schemas),
    }
