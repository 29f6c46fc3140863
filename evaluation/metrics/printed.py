"""The one unit in which a quantity is printed, by every verb.

Files hold what was computed: a share of 0..1 is a share. What is read by people (``score``, ``compare``, tables, the
page) multiplies it by the scale of its metric, as the papers do, and says so: 99.5 and ``%``.
"""

from __future__ import annotations

from evaluation.metrics.registry import find_metric
from evaluation.metrics.spec import MetricSpec
from madata.errors import ConfigError

__all__ = ["printed_unit", "scale_of", "unit_of"]

_PRINTED_ALREADY = frozenset({"%", "0..100"})
"""Units of values that are printed as they are; results of other tools may state them."""


def scale_of(name: str, unit: str) -> float:
    """What a value of the metric called ``name``, stated in ``unit``, is multiplied with to be printed.

    Example:
        >>> scale_of("temporal_flickering", ""), scale_of("fid_k", "")
        (100.0, 1.0)
    """
    spec = _known(name)
    return 1.0 if spec is None or unit in _PRINTED_ALREADY else spec.scale


def unit_of(spec: MetricSpec) -> str:
    """The unit of its printed values."""
    return "%" if spec.scale == 100.0 and not spec.unit else spec.unit


def printed_unit(name: str, unit: str) -> str:
    """The unit of the printed value of the metric called ``name``, stated in ``unit``.

    Example:
        >>> printed_unit("temporal_flickering", ""), printed_unit("psnr", "dB")
        ('%', 'dB')
    """
    spec = _known(name)
    return unit_of(spec) if spec is not None and unit not in _PRINTED_ALREADY else unit


def _known(name: str) -> MetricSpec | None:
    try:
        return find_metric(name)
    except ConfigError:  # a metric of others that cannot be imported here
        return None
