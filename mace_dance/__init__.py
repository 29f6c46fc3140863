"""MACE-Dance: the Motion Expert, the Appearance Expert and their cascade."""
