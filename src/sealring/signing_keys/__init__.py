"""Signing keys: the ring and its life cycle. Pure."""
