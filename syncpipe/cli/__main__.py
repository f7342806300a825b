"""``python -m syncpipe.cli``: the same as ``syncpipe``."""

from __future__ import annotations

from syncpipe.cli import main

if __name__ == "__main__":
    main(prog_name="syncpipe")
