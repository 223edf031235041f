"""Sealring: JWT sessions, checked locally in microseconds, revoked everywhere within seconds."""
