"""The curation pipeline: crawled videos become MA-Data clips (paper section 4.1).

``sources`` finds them, ``batch`` runs them in worker processes, ``source`` takes one from decode to clips,
``observe`` feeds every filter from the one decode, ``journal`` remembers what is finished, ``publish`` makes tables and
the report of it.
"""

from madata.curation.batch import CurationSummary, curate
from madata.curation.settings import load_config

__all__ = ["CurationSummary", "curate", "load_config"]
