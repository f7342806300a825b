"""What people do with dead letters: one set of verbs for the command line, the UI, REST and Python.

Everything is returned as JSON has it: dicts, lists, texts, and integers of any size. What is in
operations is masked unless somebody who may asks for it, which the audit remembers.
"""
