"""Two example systems; importing the package loads nothing heavy."""

from stepdance.dance import StepDance

__all__ = ["StepDance"]
