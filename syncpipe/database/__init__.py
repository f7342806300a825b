"""PostgreSQL as a mechanism: what targets and the store do alike, whatever they keep there.

====================  ===========================================================================
module                noun
====================  ===========================================================================
:mod:`.statements`    the named SQL statements that lie beside the code of a package
:mod:`.session`       what every session of ours begins with, and the server's clock
:mod:`.connections`   the pool, with database errors translated by whoever uses it
====================  ===========================================================================
"""
