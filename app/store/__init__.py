"""The store remembers: the only importer of SQLAlchemy.

One file per aggregate holds its tables and every query on them. Functions take `session` first and never commit.
Must not decide anything: what to write was decided in the core, when a transaction begins and ends in the actions.
"""
