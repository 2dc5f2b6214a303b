"""Checks what campaigns mean: findings a marketer would want to hear before people get mail.

Owns the findings over a whole workspace, and which of them are accepted in the files.
Must not read files or mails, and must not repeat what reading already refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from app.core.check.allowing import settled
from app.core.check.codes import CODES, About
from app.core.check.entering import entering_findings
from app.core.check.flow import flow_findings
from app.core.check.mails import mail_findings, sent_mails
from app.core.check.rungs import Reach, reachable_score, rung_findings
from app.core.check.selling import selling_findings
from app.core.check.timing import timing_findings
from app.core.check.unused import NOT_YET_ACTING, unused_findings
from app.core.check.values import value_findings
from app.core.problem import Problem
from app.core.workspace import MailFacts, Workspace


def findings(workspace: Workspace, facts: Iterable[MailFacts], today: date) -> tuple[Problem, ...]:
    """Every finding about a workspace, before `allow` is looked at. `today` is the site's date."""
    mails = tuple(facts)
    service = frozenset(mail.key for mail in mails if mail.is_service)
    return (
        *rung_findings(workspace.ladder),
        *flow_findings(workspace, service),
        *entering_findings(workspace, today),
        *timing_findings(workspace),
        *selling_findings(workspace, mails, today),
        *mail_findings(workspace, mails),
        *value_findings(workspace, mails),
        *unused_findings(workspace),
    )


def allowed(problems: Iterable[Problem], workspace: Workspace, today: date) -> tuple[Problem, ...]:
    """The problems that are not accepted in the files, and what is wrong with the acceptances themselves."""
    return tuple(settled(problems, workspace.allowed, CODES, today))


__all__ = [
    "CODES",
    "NOT_YET_ACTING",
    "About",
    "Reach",
    "allowed",
    "findings",
    "reachable_score",
    "sent_mails",
]
