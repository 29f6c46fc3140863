"""Tables, figures, the static site and submissions."""
