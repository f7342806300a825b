"""What keeps a fault from spreading: mechanisms without I/O, for targets and whoever calls them.

=======================  =======================================================================
module                   noun
=======================  =======================================================================
:mod:`.classification`   what an error of a target means
=======================  =======================================================================
"""
