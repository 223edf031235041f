"""TLS in front of a demo server, and sibling hosts beside it: `app.example.com` is the demo, all else an empty page.

The certificate is made here and is nobody's; Chromium is told to take its key, and to find the names on loopback.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

APP = "https://app.example.com"
SIBLING = "https://evil.example.com"
PARENT = "example.com"
EMPTY_PAGE = b"<!doctype html><link rel=icon href=data:,><title>sibling</title>"
OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


def make_certificate(folder: Path) -> tuple[Path, str]:
    """A certificate with its key in one file, and the SHA-256 of its public key as Chromium wants it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PARENT)])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(PARENT), x509.DNSName(f"*.{PARENT}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return file, base64.b64encode(hashlib.sha256(spki).digest()).decode()


@contextmanager
def tls_front(certificate: Path, backend: str) -> Iterator[int]:
    """Serve until left; the port. Requests for the demo's host go to `backend` with every field as it came."""

    class Front(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            if self.headers["Host"] == urlsplit(APP).netloc:
                self._forward()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EMPTY_PAGE)

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection(urlsplit(backend).netloc, timeout=10)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for field, value in self.headers.items():
                    if field.lower() not in OF_THE_CONNECTION:
                        connection.putheader(field, value)
                connection.putheader("Host", urlsplit(APP).netloc)
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response_only(answer.status)
            for field, value in answer.getheaders():
                if field.lower() not in OF_THE_CONNECTION:
                    self.send_header(field, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a browser that leaves is no error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # the handshake in the connection's own thread, or one idle connection of the browser's stops all others
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
