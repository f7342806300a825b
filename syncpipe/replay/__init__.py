"""Replays: dead letters are sent again, and it is seen what becomes of them.

====================  ===========================================================================
module                noun
====================  ===========================================================================
:mod:`.decision`      what is to be done next for a replay that stands so; pure
:mod:`.parcels`       dead letters as messages to the broker
:mod:`.replayer`      sends them, in a worker process
:mod:`.service`       what people ask of replays
====================  ===========================================================================
"""
