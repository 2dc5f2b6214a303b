"""First names as a list of subscribers has them: a few often, many seldom, every fifth person without one.

Owns the names and how often each comes. Must not know databases; the same numbers always get the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random

_FREQUENT_FIRST = """
    Anna Maria David Michael Sarah Ali Daniel Laura Thomas Emma Peter Julia Mohammad James Paul Lisa Sara John Mark
    Elena Alexander Martin Christine Robert Sofia Andrea Fatemeh Stefan Eva Susan Lucas Karen Marie Simon Nina
    William Helen Zahra Adam Katharina Richard Olivia Ben Linda Hannah Patrick Monica Reza Charlotte Chris Victoria
    Joseph Barbara Nicole Tim Samuel Claudia Emily Jonas Maryam Kevin Patricia Felix Jessica Oliver Christina Hossein
    Rachel George Silvia Philip Lena Andrew Natalia Mehdi Jan Ruth Carlos Amelia Steven Diana Max Catherine Amir Isabel
    Matthew Irina Frank Alice Antonio Nora Leila Ryan Angela Edward Clara Omar Teresa Brian Sophie Narges Anton Rebecca
    Marco Olga Jack Ingrid Hassan Molly Ivan Margaret Sven Parisa Luis Jennifer Henry Rosa Eric Mina Nicolas Denise
    Tobias Grace Pedro Ella Bob Ursula Javad Hugo Beatrice Carol Leon Farah Viktor Heather Samira Francesco Amy Lars
    Elham Jonathan Agnes Miguel Megan Oscar Shirin Gabriel Bianca Fred Nadia Ahmad Stella Theo Yasmin Arthur Lucy
    Behzad Caroline Dennis Elisabeth Giulia Harry Hana Igor Jasmin Kate Leonie Mahsa Manuel Matilda Niloofar Otto Pablo
    Petra Rafael Regina Roya Rudolf Sabine Saeed Sandra Sebastian Setareh Tamara Tanja Tara Theresa Timothy Tina Tom
    Valentina Vera Vincent Walter Wendy Xavier Yusuf Zoe Abbas Adrian Aisha Albert Alina Amanda Armin Arash Astrid
    Azadeh Bahar Bernd Bettina Brigitte Bruno Camille Cecilia Chiara Cyrus Dariush Dorothy Edith Elias Elif Emil Enrico
    Erika Ernst Esther Fabian Fiona Florian Georg Gerda Golnaz Greta Hamid Heidi Helga Ida Ines Iris Jakob Jamal Janet
    Javier Joan Johanna Jorge Judith Julian Kamran Karl Keith Kian Klara Kourosh Ladan Leo Lily Lorenzo Louis Luna Magda
    Mahmoud Marcel Mateo Mehmet Mia Mila Mitra Nasrin Nathan Nils Noah Noor Olaf Omid Pari Paula Pascal Payam Pia Pouya
    Ramin Ray Rita Robin Roman Ron Rose Sahar Sally Selma Shadi Sigrid Siavash Silas Simin Sina Soraya Susanne Tariq
    Ulrich Vahid Vivian Wanda Werner Yara Yvonne Zeinab José Zoë Renée Jürgen Łukasz Søren Chloë François Željko
    Małgorzata
"""
NAMES = _FREQUENT_FIRST.split()

MISSING = 0.20
TWICE = 0.04
"""So many write two names: the tail of names nobody else has."""
_FLAT = 10  # added to the rank, so that the most frequent name is one in forty, as in life


def _rising() -> Sequence[float]:
    return tuple(accumulate(1 / (rank + _FLAT) for rank in range(1, len(NAMES) + 1)))


_RISING = _rising()


def first_names(seed: int, count: int) -> list[str]:
    """So many names, empty where there is none; Zipf's law with a flattened top."""
    chance = Random(seed)
    names = chance.choices(NAMES, cum_weights=_RISING, k=count)
    seconds = chance.choices(NAMES, cum_weights=_RISING, k=count)
    return [_written(chance.random(), first, second) for first, second in zip(names, seconds, strict=True)]


def _written(drawn: float, first: str, second: str) -> str:
    if drawn < MISSING:
        return ""
    return f"{first} {second}" if drawn > 1 - TWICE else first
