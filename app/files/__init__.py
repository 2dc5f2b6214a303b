"""Files: `campaigns/` as values of the core, or as problems with file, line, column and the text to write.

Owns reading, checking, the schema, the canonical form and the reference of the campaign language.
Must not read mails (the mail room does), must not publish, and is the only importer of PyYAML.
"""

from app.files.checking import check
from app.files.fmt import fmt
from app.files.reader import read
from app.files.reference import findings, reference
from app.files.schema import schema
from app.files.sources import load

__all__ = ["check", "findings", "fmt", "load", "read", "reference", "schema"]
