"""The other systems, each as one would write it without syncpipe, with its best documented settings.

These programs run in environments of their own, in which syncpipe is not installed.
"""
