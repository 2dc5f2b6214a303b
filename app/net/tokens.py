"""Asking a token endpoint: one form over https, no redirects, a small answer.

Owns the request only; what is asked and what an answer means is the caller's. A secret is shown to nobody but the host
of the setting.
"""

from __future__ import annotations

from collections.abc import Mapping

import requests

SECONDS = 20.0
LARGEST = 64 * 1024


def ask(url: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
    """The status and the beginning of the answer. Raises OSError when nobody answers."""
    headers = {"Accept": "application/json"}
    with requests.post(
        url, data=dict(fields), headers=headers, timeout=SECONDS, allow_redirects=False, stream=True
    ) as answer:
        return answer.status_code, next(answer.iter_content(LARGEST), b"")
