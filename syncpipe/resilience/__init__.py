"""Mechanisms against failure: pure, because clock and chance come in from outside.

==================  ===========================================================================
module              noun
==================  ===========================================================================
:mod:`.options`     how a target is guarded, as the configuration says it
:mod:`.backoff`     how long to wait before trying again
:mod:`.window`      calls of the last while, by how they ended
:mod:`.register`    what a fleet of processes agrees on about one target
:mod:`.breaker`     whether one process may call a target, and how often at once
==================  ===========================================================================
"""
