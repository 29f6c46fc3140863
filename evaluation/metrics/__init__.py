"""Motion metrics in two versions: what upstream code computes, to the digit, and the corrected form.

:mod:`~evaluation.metrics.variants` lists the published definitions as data; :mod:`~evaluation.metrics.body`,
:func:`~evaluation.metrics.kinetic.log_energies`, :func:`~evaluation.metrics.geometric.limb_angles`,
:func:`~evaluation.metrics.beats.beat_alignment`, :func:`~evaluation.metrics.feet.foot_sliding` and
:func:`~evaluation.metrics.feet.foot_contact_cost` are the corrected side. Nothing heavier than scipy is
imported.
"""
