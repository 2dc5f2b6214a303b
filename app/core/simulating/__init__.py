"""Simulating: made-up people who sign up, read, click, visit, buy and leave, under the real engine.

Owns their chances and what is counted of their lives. Deterministic: a seed and a number make a person, whatever
process she lives in. Must not decide anything the engine decides.
"""

from __future__ import annotations

from app.core.simulating.behaviour import BEHAVIOURS, Behaviour, BehaviourFault, behaviours_of
from app.core.simulating.dice import Dice
from app.core.simulating.life import Deed, Life, Town
from app.core.simulating.summary import Account, Summary

__all__ = [
    "BEHAVIOURS",
    "Account",
    "Behaviour",
    "BehaviourFault",
    "Deed",
    "Dice",
    "Life",
    "Summary",
    "Town",
    "behaviours_of",
]
