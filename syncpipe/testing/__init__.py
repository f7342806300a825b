"""Tests without servers: an in-memory broker and target on the real wire bytes.

==================  ==============================================================================
module              noun
==================  ==============================================================================
:mod:`.kit`         the harness: a client, a pipeline and assertions in one object
:mod:`.broker`      a broker in memory
:mod:`.target`      a target in memory
:mod:`.store`       a store in memory
:mod:`.deadletters` the dead letters in it
:mod:`.schedule`    the schedule in it
:mod:`.clock`       a clock that moves only when told, and seeded randomness
:mod:`.plugin`      the pytest fixture ``syncpipe_memory``
==================  ==============================================================================
"""
