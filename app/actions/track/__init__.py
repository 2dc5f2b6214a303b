"""Track: from the spool to the stage. What was clicked, opened and visited is kept, judged, counted and, if it must be,
corrected.

Owns the trips of facts that come from links and pages. The web never waits for any of it, and only the worker decides.
"""

from app.actions.track.counting import Difference, prove
from app.actions.track.forgetting import forget_facts
from app.actions.track.ingest import Ingested, ingest, ingest_all
from app.actions.track.judging import judge_all, judge_due, recompute
from app.actions.track.works import works

__all__ = [
    "Difference",
    "Ingested",
    "forget_facts",
    "ingest",
    "ingest_all",
    "judge_all",
    "judge_due",
    "prove",
    "recompute",
    "works",
]
