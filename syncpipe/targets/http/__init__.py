"""An HTTP endpoint as a target: batches of operations, posted as JSON.

Effects happen at least once. Each operation brings its id and version, and each batch an
``Idempotency-Key``: an endpoint that honours them makes that exactly once. The format is described
in ``docs/http.md``.

===================  ============================================================================
module               noun
===================  ============================================================================
:mod:`.options`      how to reach it
:mod:`.address`      what its address and headers may be
:mod:`.network`      connections that keep a deadline
:mod:`.transport`    requests of httpx2 over these connections
:mod:`.faults`       what goes wrong without an answer
:mod:`.answer`       what came back
:mod:`.endpoint`     one request and its answer, with errors translated
:mod:`.batch`        the body of a request
:mod:`.results`      what an answer says of each operation
:mod:`.target`       the target itself
===================  ============================================================================
"""
