"""`python -m benchmarks [NAME …]`: runs benchmarks by name, all of them without one; `--list` names them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main(wanted: list[str]) -> int:
    known = names()
    if "--list" in wanted:
        print("\n".join(known))
        return 0
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = False
    for name in wanted or known:
        print(f"── {name} " + "─" * (70 - len(name)), flush=True)
        sys.argv = [name]
        failed |= bool(_run(name))
    return int(failed)


def _run(name: str) -> int:
    """Imported, not run as `__main__`: what a benchmark hands to other processes must have a name there."""
    try:
        return importlib.import_module(f"benchmarks.{name}").main() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return int(end.code not in (None, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
