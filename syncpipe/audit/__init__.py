"""The audit for people: what was done, by whom, and whether that is still the whole truth.

================  ===============================================================================
module            noun
================  ===============================================================================
:mod:`.log`       the service: look, verify, export
:mod:`.lines`     entries as dicts ready for JSON, and back
:mod:`.keyfile`   a key in a file of its owner alone
================  ===============================================================================
"""

from __future__ import annotations

from syncpipe.audit.log import AuditLog

__all__ = ["AuditLog"]
