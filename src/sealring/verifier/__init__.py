"""The half that checks: keys and revocations in memory, no I/O while a request waits."""
