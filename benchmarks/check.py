"""How long `check` takes over 200 campaign files. Run: `python -m benchmarks.check [files]`.

The files are the examples' campaigns copied under other names, so that they are as long and as varied as real ones.
Prints files, lines, and the best and middle of five runs; exits 1 when the middle one takes a second or more.
"""

import sys
import time
from datetime import date
from pathlib import Path

from app.core.problem import Problem
from app.files import check, load
from app.files.sources import FileKind, yaml_sources

ROOT = Path(__file__).parent.parent
GOAL = 1.0


def many(files: int) -> dict[str, str]:
    """The example site with its campaigns repeated until there are so many campaign files."""
    sources = dict(load(ROOT))
    campaigns = [source for source in yaml_sources(sources) if source.kind is FileKind.CAMPAIGN]
    for number in range(files - len(campaigns)):
        source = campaigns[number % len(campaigns)]
        key = f"{source.key}-{number}"
        text = sources[source.path].replace(f"campaign: {source.key}\n", f"campaign: {key}\n")
        sources[f"campaigns/copies/{key}.yaml"] = text
    return sources


def main() -> int:
    sources = many(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    texts = [text for path, text in sources.items() if path.endswith(".yaml")]
    times: list[float] = []
    problems: tuple[Problem, ...] = ()
    for _ in range(5):
        began = time.perf_counter()
        problems = check(sources, (), date(2026, 11, 22))
        times.append(time.perf_counter() - began)
    middle = sorted(times)[2]
    lines = sum(text.count("\n") for text in texts)
    print(
        f"{len(texts)} files, {lines:,} lines, {len(problems)} findings: best {min(times):.3f} s, middle {middle:.3f} s"
    )
    return 0 if middle < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
