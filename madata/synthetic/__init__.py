"""Made-up dances, music and footage of which everything is known: for demos, tests and first steps."""
