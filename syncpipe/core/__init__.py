"""The core: frozen values and pure functions, without I/O, clock or randomness.

========================  =======================================================================
module                    noun
========================  =======================================================================
:mod:`.operation`         one intended change to one record
:mod:`.version`           what orders operations: hybrid logical clock stamps and ties
:mod:`.values`            which values may travel, and how they are checked
:mod:`.numbers`           exact addition for increments
:mod:`.collection`        what the configuration declares about a collection
:mod:`.keys`              one canonical text per key
:mod:`.declaration`       whether data fits its kind and collection
:mod:`.reference`         the meaning of operations, as a naive sort and fold
:mod:`.delta`             the folded effect of several operations on one record
:mod:`.memory`            what a target remembers about one record
:mod:`.change`            how a delta changes a remembered record
:mod:`.codec`             operations to bytes and back
:mod:`.envelope`          the sealed bytes that travel through the broker
:mod:`.deadletter`        an operation given up, as bytes
:mod:`.document`          values as JSON text, for documents and columns
:mod:`.filtering`         filters of dead letters, as trees
:mod:`.filter_fields`     the fields that filters know, and their values
:mod:`.filter_language`   filters as texts
:mod:`.units`             durations and sizes as people write them
:mod:`.routing`           shards, lanes, priorities and queue names
:mod:`.outcome`           what became of an operation
:mod:`.chance`            the clock and randomness that callers hand in
========================  =======================================================================
"""
