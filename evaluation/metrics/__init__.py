"""Metrics: pure functions of feature tables, in the published form, to the digit, and in the corrected one."""
