"""The other systems, as one would write them without syncpipe, at their best documented settings.

These programs run in environments of their own, in which syncpipe is not installed.
"""
