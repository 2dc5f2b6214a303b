"""`python -m app.files [root]`: writes the schema and the reference pages again, after a definition has changed.

Owns where these files lie. Must not do anything else.
"""

import json
import sys
from pathlib import Path

from app.files import findings, reference, schema


def write(root: Path) -> None:
    """Write `parvar.schema.json` and the two pages of `docs/reference` below a root."""
    pages = root / "docs" / "reference"
    pages.mkdir(parents=True, exist_ok=True)
    (pages / "language.md").write_text(reference(), "utf-8")
    (pages / "findings.md").write_text(findings(), "utf-8")
    text = json.dumps(schema(), ensure_ascii=False, indent=1)
    (root / "parvar.schema.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
