"""What clients of tests share: they speak plain HTTP, on loopback."""

from __future__ import annotations

import ssl

TRUST_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify=` of a client. Its own default reads all certificate authorities, 25 ms of CPU for each client."""
