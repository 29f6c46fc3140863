"""FACT: the network and its autoregression, the ``motion`` system, the reader of TensorFlow checkpoints."""
