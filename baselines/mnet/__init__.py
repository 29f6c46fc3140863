"""MNET: generator and critic, their training losses, the ``motion`` system."""
