"""Places: where single settings of the site stand in the files of a release.

Owns finding a line by its key. Must not read the file's meaning: that is done, and free of errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.core.text import Place

SITE_FILE = "campaigns/site.yaml"
_SETTINGS = ("limits", "quiet_hours", "quiet_weekend", "quiet_days")


def lines_of(sources: Mapping[str, str]) -> dict[str, Place]:
    """Setting → its line in the site's file."""
    found: dict[str, Place] = {}
    for number, line in enumerate(sources.get(SITE_FILE, "").splitlines(), 1):
        match = re.match(r"\s*([a-z_]+):", line)
        if match and match[1] in _SETTINGS and match[1] not in found:
            found[match[1]] = Place(SITE_FILE, number)
    return found
