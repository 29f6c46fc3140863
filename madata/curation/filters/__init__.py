"""The filters: one module each, and nothing else need be edited for a new one.

A module holds one :class:`~madata.curation.filter.Filter` under the name ``FILTER``; the module's name, with ``-`` for
``_``, is the name it has in the list ``filters`` of the settings, which says the order. A filter that lives elsewhere
is an entry point of the group ``madance.filters`` that points at one. Its settings, its columns in the tables, its
line in the summary and its histogram in the report derive from it.
"""

from __future__ import annotations

from madata.plugins import Room

__all__ = ["FILTERS"]

FILTERS = Room("filter", "madata.curation.filters", "FILTER", "madance.filters")
"""Every filter there is."""
