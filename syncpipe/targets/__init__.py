"""Adapters to where operations are applied."""
