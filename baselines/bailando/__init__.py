"""Bailando: codebooks and GPT, both as one model, the ``motion`` system."""
