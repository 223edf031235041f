"""The one reading of the clock in the token layer.

`sign` and `verify` take `now` as an argument; where the caller leaves it out, the present second
comes from here and from nowhere else. The wall clock is right for tokens: `exp` and `nbf` are
instants that several machines must agree on (RFC 7519 §2, NumericDate).
"""

from __future__ import annotations

from time import time

__all__ = ["time"]
