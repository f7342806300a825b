"""The benchmark: the real pipeline on private services, beside what PostgreSQL itself can take.

``syncpipe bench`` runs it; ``make bench`` in a clone also runs other systems beside it.
"""
