"""From files to what belongs together: which clips are there, which belong to each other, which can be used."""
