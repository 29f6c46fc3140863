"""What a number means: systems, protocols, metrics, statistics and results."""
