"""One answer for every service that is not to be had: skipped by name here, a failure under CI=true."""

import os
from typing import NoReturn

import pytest


def missing(service: str, remedy: str) -> NoReturn:
    """Ends the test: `service` is what it needs, `remedy` is how a person gets it."""
    reason = f"{service} is missing: {remedy}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
