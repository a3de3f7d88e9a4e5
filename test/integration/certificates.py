"""Certificates for the tests of TLS, made with openssl: an authority, and what it signs."""

import subprocess
from pathlib import Path


class Authority:
    """A self-signed authority; .certificate is the file that those who trust it are given."""

    def __init__(self, folder, name):
        self.folder = Path(folder)
        self.name = name
        self.certificate = self.folder / f"{name}.crt"
        openssl("req", "-x509", "-subj", f"/CN={name}", *self._new_key(name), "-out", self.certificate)

    def sign(self, host):
        """A new certificate for a host name, and its key: two files."""
        certificate = self.folder / f"{self.name}-{host}.crt"
        request = self.folder / f"{self.name}-{host}.csr"
        openssl("req", "-new", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
                *self._new_key(request.stem), "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / f"{self.name}.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-out", certificate)
        return certificate, self.folder / f"{request.stem}.key"

    def _new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.folder / f"{name}.key"]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
