"""Audit events: one value for each thing that happened. Pure."""
