"""The tables of the store, laid into an empty database from the models.

A test of its own holds models and migrations against each other, so the short way is good enough here.
"""

import importlib
import pkgutil

from sqlalchemy import create_engine

import app.store
from app.store.base import Base


def lay_tables(url: str) -> None:
    """Makes every table of every module of the store; raises what the database raises."""
    for module in pkgutil.iter_modules(app.store.__path__, "app.store."):
        importlib.import_module(module.name)
    engine = create_engine(url)
    try:
        Base.metadata.create_all(engine)
    finally:
        engine.dispose()
