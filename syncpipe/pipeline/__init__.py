"""From messages to outcomes: decode, verify, admit, fold, apply, settle."""

from __future__ import annotations

from syncpipe.pipeline.batch import Message
from syncpipe.pipeline.deadletters import DeadLetters
from syncpipe.pipeline.log import BatchLog
from syncpipe.pipeline.options import WorkerOptions
from syncpipe.pipeline.report import Report
from syncpipe.pipeline.runner import Pipeline
from syncpipe.pipeline.verdict import Done, Later, Verdict

__all__ = [
    "BatchLog",
    "DeadLetters",
    "Done",
    "Later",
    "Message",
    "Pipeline",
    "Report",
    "Verdict",
    "WorkerOptions",
]
