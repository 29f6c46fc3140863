"""How sure a number is: intervals, noise floor, comparison and ranks of systems.

``jackknife`` says what each block of songs does to a number; ``frechet``, ``pairs``, ``manifold`` and ``means`` are
the numbers, with their truths; ``estimate`` says what a metric makes of chance alone; ``verdicts`` holds two systems
against each other, ``ranks`` several. Everything works on features or scores per clip: nothing is extracted again.
Randomness comes in through ``rng`` alone. Nothing here knows a metric of a protocol, and nothing heavier than scipy is
imported. How well it holds is simulated in ``benchmarks/coverage.py`` and printed in docs/statistics.md.
"""
