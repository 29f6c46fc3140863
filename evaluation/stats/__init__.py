"""How sure a number is: intervals, noise floor, comparison of two systems.

``intervals`` puts ends around a number, ``estimate`` says what a metric makes of chance alone, ``comparison`` holds two
systems against each other. Everything works on features or scores per clip: nothing is extracted again. Randomness
comes in through ``rng`` alone. Nothing here knows a metric of the registry, and nothing heavier than scipy is imported.
"""
