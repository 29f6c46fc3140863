"""The methods of the field behind one interface, and the sanity rows of every board."""
