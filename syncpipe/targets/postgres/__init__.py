"""PostgreSQL as a target: documents in a table of ours, or rows in the user's own tables.

Effects happen exactly once because the database itself refuses repeats: a version guard for
upserts, patches and deletes, and a ledger of operation ids for increments, both in the transaction
that writes.

===================  ============================================================================
module               noun
===================  ============================================================================
:mod:`.options`      how to connect
:mod:`.statements`   the named SQL statements in ``sql/``
:mod:`.refusal`      what a database error means
:mod:`.connections`  the pool, and a transaction with its errors translated
:mod:`.documents`    document mode
:mod:`.tables`       table mode
:mod:`.columns`      the columns of a user's table
:mod:`.merging`      the way of operations that arrive out of order, and of increments
:mod:`.horizon`      collection of what is too old to be needed
:mod:`.target`       the target itself
===================  ============================================================================
"""
