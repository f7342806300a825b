"""What operators do, as Python calls: look, send files, purge queues, care for targets and broker.

The command line is a thin shell over these modules, and so are the doors to come.
"""
