"""Measures syncpipe beside other systems, on the same machine and the same kind of services.

Run it with ``make bench``; docs/benchmarks.md says how to read its table.
"""
