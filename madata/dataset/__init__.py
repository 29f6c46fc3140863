"""The data set as a whole: groups and splits, duplicates, verification, merging, removal, release.

Each module is one verb of ``madance dataset`` and works on the tables of :mod:`madata.manifest`; none of them needs
the sources.
"""
