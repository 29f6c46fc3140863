"""Verbs of the command line that belong to this package."""
