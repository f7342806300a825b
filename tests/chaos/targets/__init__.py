"""What becomes of operations when targets, stores, operations and workers fail."""
