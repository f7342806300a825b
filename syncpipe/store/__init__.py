"""The store: where syncpipe keeps its own memory, if the configuration names one.

====================  ===========================================================================
module                noun
====================  ===========================================================================
:mod:`.options`       where it is
:mod:`.store`         the port: what the other rooms ask of it
:mod:`.deadletters`   the port of what was given up
:mod:`.triage`        the port of what people do with it
:mod:`.schedule`      the port of what is to be tried later
:mod:`.groups`        the port of groups: who was applied, and which ended dead
:mod:`.pauses`        the port of pauses: what people want of targets
:mod:`.postgres`      a schema in a PostgreSQL database
====================  ===========================================================================

Each concern has a small port in a module of its own here, an adapter of the same name in
:mod:`.postgres`, and, as far as pipelines need it, a twin in memory in :mod:`syncpipe.testing`.
"""
