"""Run in every worker process of a row, before anything else."""
