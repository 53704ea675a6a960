"""Certificates for servers and clients of a test, made as they are needed."""

import os
import subprocess


def make_certificate(directory, name, issuer=None, common_name="localhost"):
    """PEM files NAME.crt and NAME.key; signed by ISSUER's, or by itself."""
    path = os.path.join(directory, name)
    signer = ["-CA", issuer + ".crt", "-CAkey", issuer + ".key"] if issuer else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", f"/CN={common_name}",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", path + ".key", "-out", path + ".crt", *signer],
        check=True, capture_output=True, timeout=60)
    return path
