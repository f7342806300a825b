"""The store as a schema in a PostgreSQL database.

===================  ============================================================================
module               noun
===================  ============================================================================
:mod:`.store`        the store itself
:mod:`.connections`  the pool, with database errors translated, and the check of the tables
:mod:`.migrating`    the numbered migrations in ``migrations/``
:mod:`.deadletters`  what was given up
:mod:`.filtering`    filters as conditions on what was given up
:mod:`.triage`       what people do with what was given up
:mod:`.schedule`     what is to be tried later
:mod:`.groups`       groups: who was applied, and which ended dead
:mod:`.pauses`       what people want of targets
:mod:`.audit`        what people did
:mod:`.statements`   the named SQL statements in ``sql/``
===================  ============================================================================

A table is added by a file ``migrations/NNNN_pre_NAME.sql``, in which ``{schema}`` is the schema. It
is run before the first process of the release that needs it starts, while others still run: it may
only add. What takes away is called ``NNNN_post_NAME.sql``, and runs when none of the release before
is left.
"""
