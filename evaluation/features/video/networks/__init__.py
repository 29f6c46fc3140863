"""The networks that look at pictures, each loading its official weights file as it is."""
