"""The export formats: one module each, and nothing else need be edited for a new one.

A module holds one :class:`~madata.dataset.export.ExportFormat` under the name ``EXPORT``; the module's name, with
``-`` for ``_``, is what ``madance dataset export --format`` takes.
"""
