"""The curation pipeline: crawled videos become MA-Data clips (paper section 4.1).

``batch`` finds the sources and runs them in worker processes, ``source`` takes one source from decode to clips,
``segments`` feeds every filter from the one decode, ``journal`` remembers what is finished.
"""

from madata.curate.batch import CurationSummary, curate

__all__ = ["CurationSummary", "curate"]
