"""An independent judge of what a document table should contain, and of what it does contain.

It shares no line with the code it judges: it imports nothing of syncpipe, sorts and folds the
history in the simplest way that can be right, reads the rows through its own connection and
decodes them itself. So its word on lost operations and mismatched rows is evidence; what the
pipeline counts about itself is not.
"""

from .history import ExpectedField, ExpectedRecord, HistoryEntry, Oracle, Place, expected
from .rows import ActualRow, Unreadable, actual, decoded_document
from .verdict import Example, Verdict, compare

__all__ = [
    "ActualRow",
    "Example",
    "ExpectedField",
    "ExpectedRecord",
    "HistoryEntry",
    "Oracle",
    "Place",
    "Unreadable",
    "Verdict",
    "actual",
    "compare",
    "decoded_document",
    "expected",
]
