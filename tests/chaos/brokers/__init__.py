"""Kills workers and brokers under load, of stock Celery and of syncpipe, and counts what is lost.

Run it with ``make chaos-brokers``; docs/chaos.md says how to read its table.
"""
