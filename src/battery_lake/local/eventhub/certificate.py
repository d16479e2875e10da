"""A certificate for loopback that is made when the stand-in starts; clients trust it by its file."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from battery_lake import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

VALID: Final = dt.timedelta(days=365)
CLOCK_SKEW: Final = dt.timedelta(days=1)
LOOPBACK: Final = ipaddress.ip_address("127.0.0.1")
SUBJECT: Final = "battery-lake stand-in"


def server_context(certificate: Path, host_names: Sequence[str]) -> ssl.SSLContext:
    """Return a server's context with a fresh certificate, signed by itself.

    Parameters
    ----------
    certificate
        Where the certificate is written for the clients; the key is kept nowhere.
    host_names
        The names that clients may call the server by, besides 127.0.0.1.

    Returns
    -------
    ssl.SSLContext
        For the server's side.

    References
    ----------
    RFC 5280, Internet X.509 Public Key Infrastructure Certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate.write_bytes(_signed(key, host_names).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Only a file can be loaded: the key has one, for its owner alone, for as long as that takes.
    number, name = tempfile.mkstemp(dir=certificate.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        context.load_cert_chain(certificate, name)
    finally:
        Path(name).unlink()
    return context


def _signed(key: ec.EllipticCurvePrivateKey, host_names: Sequence[str]) -> x509.Certificate:
    """Sign the names with their own key, as an authority of which nothing else comes."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT)])
    names = [*map(x509.DNSName, host_names), x509.IPAddress(LOOPBACK)]
    now = clock.utc_now()
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509
        .CertificateBuilder(subject, subject, public, x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
