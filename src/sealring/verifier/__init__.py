"""The half that checks: keys and revocations in memory, no I/O while a request waits."""

from sealring.verifier.principal import Principal
from sealring.verifier.verifier import Verifier

__all__ = ["Principal", "Verifier"]
