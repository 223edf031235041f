"""A certificate authority of one's own, and what servers show: certificates of it, good and bad."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


def name_of(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def alternative_name(host: str) -> x509.SubjectAlternativeName:
    try:
        return x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    except ValueError:
        return x509.SubjectAlternativeName([x509.DNSName(host)])


class Authority:
    """Signs certificates for hosts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of("an authority of a company")
        is_authority = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._sign(self._name, self._key.public_key(), is_authority, -DAY, DAY)

    def is_trusted(self) -> ssl.SSLContext:
        """A client that trusts it, and no other."""
        return ssl.create_default_context(cadata=self.certificate.public_bytes(Encoding.PEM).decode())

    def serves(self, host: str, *, begins: timedelta = -DAY, ends: timedelta = DAY) -> ssl.SSLContext:
        """A server with a certificate for a host, good from a time to another, as seen from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        return loaded(key, self._sign(name_of(host), key.public_key(), alternative_name(host), begins, ends))

    def serves_itself(self) -> ssl.SSLContext:
        """A server whose certificate nobody but itself has signed."""
        return loaded(self._key, self.certificate)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extension: x509.ExtensionType,
        begins: timedelta,
        ends: timedelta,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        number = x509.random_serial_number()
        unsigned = x509.CertificateBuilder(self._name, subject, key, number, now + begins, now + ends)
        is_critical = isinstance(extension, x509.BasicConstraints)
        return unsigned.add_extension(extension, critical=is_critical).sign(self._key, hashes.SHA256())


def loaded(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # OpenSSL reads files alone
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        Path(file.name).write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(file.name)
    return context
