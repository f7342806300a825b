"""Asking a person before something is done that is not easily undone."""

from __future__ import annotations

import sys

import click


def ask(number: int, act: str) -> None:
    """Return if a person confirms by typing *number*; it may have changed since the plan.

    Raises:
        UsageError: there is no terminal to ask at.
        Abort: they typed something else.

    """
    if not _is_terminal():
        raise click.UsageError("Nobody can be asked here: give --yes, or --dry-run for the plan.")
    typed = click.prompt(f"Type {number} to {act}", err=True)
    if typed.strip().replace(",", "") != str(number):
        raise click.Abort


def _is_terminal() -> bool:
    return sys.stdin.isatty()
