"""FACT: the network and its autoregression."""
