"""Bailando: codebooks of the two halves of the body and the GPT that dances with them."""
