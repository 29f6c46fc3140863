"""What a scored run leaves: files beside the result, and results taken from other tools."""
