"""What keeps a fault from spreading: mechanisms without I/O; clock and chance come in from outside.

=======================  =======================================================================
module                   noun
=======================  =======================================================================
:mod:`.classification`   what an error of a target means
:mod:`.options`          how a target is guarded, as the configuration says it
:mod:`.backoff`          how long to wait before trying again
:mod:`.throttle`         how long to wait when a target says that it was asked too often
:mod:`.window`           calls of the last while, by how they ended
:mod:`.evidence`         what calls say about a target
:mod:`.quota`            how many operations a target gets in a time, all processes together
:mod:`.limiter`          what one process may spend of that
:mod:`.hold`             what people want of a target
:mod:`.register`         what a fleet of processes agrees on about one target
:mod:`.call`             a call that is under way
:mod:`.breaker`          whether one process may call a target, and how often at once
:mod:`.reach`            a number that grows while all is well and shrinks on trouble
:mod:`.latency`          how long a target's batches may take
:mod:`.losses`           how large its calls are best, where some fail
:mod:`.abreast`          how many of its batches run at once, by what that brings
:mod:`.sizes`            how large a target's batches are in one process, and how many run at once
=======================  =======================================================================
"""
