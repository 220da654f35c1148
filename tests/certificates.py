"""A certificate authority for tests, and a proxy that ends TLS in front of a server that cannot."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates into a folder: ca.pem, and NAME.pem with NAME.key for each."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca_file = folder / f"{name}.pem"
        self._write(self.ca_file, self._certificate(self._name, self._key.public_key(), ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a server on 127.0.0.1, or of a client called ``name``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._write(certificate, self._certificate(subject, key.public_key(), ca=False))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key_file.chmod(0o600)
        return certificate, key_file

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@dataclass
class Proxy:
    """A running proxy: where it listens, and the names in the certificates that clients have shown."""

    port: int
    clients: list[str] = field(default_factory=list)


# What a PostgreSQL client asks before it begins (protocol 3.0, SSLRequest and GSSENCRequest), and the answers.
_SSL_REQUEST, _GSS_REQUEST = struct.pack("!II", 8, 80877103), struct.pack("!II", 8, 80877104)


def _negotiated(plain: socket.socket) -> bool:
    """Answer a PostgreSQL client until it begins TLS; False for one that would go on without."""
    while (asked := plain.recv(8, socket.MSG_WAITALL)) == _GSS_REQUEST:
        plain.sendall(b"N")
    if asked == _SSL_REQUEST:
        plain.sendall(b"S")
        return True
    plain.close()
    return False


@contextlib.contextmanager
def tls_proxy(port: int, certificate: Path, key: Path, client_ca: Path, *, postgres: bool = False) -> Iterator[Proxy]:
    """A port that speaks nothing but TLS, demands a client's certificate, and passes on to a plain port.

    ``postgres``: TLS begins as PostgreSQL's protocol has it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets: list[socket.socket] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if postgres and not _negotiated(plain):
                return
            near = context.wrap_socket(plain, server_side=True)
            subject = (near.getpeercert() or {}).get("subject", ())
            proxy.clients += [value for [(name, value)] in subject if name == "commonName"]  # type: ignore[misc, has-type]
            far = socket.create_connection(("127.0.0.1", port))
            open_sockets.extend((near, far))
            threading.Thread(target=pump, args=(near, far), daemon=True).start()
            pump(far, near)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listener.accept()
                open_sockets.append(plain)
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

    proxy = Proxy(listener.getsockname()[1])
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        for s in (listener, *open_sockets):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
