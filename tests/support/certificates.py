"""Certificates for tests, good and bad, by the openssl program, in a folder of the test's own."""

import ssl
import subprocess

CA_CONFIG = """[ca]
default_ca = here
[here]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = supplied
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificates:
    """`.ca` is the authority's certificate; make(...) gives a server's (certificate, key)."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.ca = folder / "ca.pem"
        (folder / "ca.cnf").write_text(CA_CONFIG)
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01\n")
        self.openssl("req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                     "-subj", "/CN=Test authority")

    def openssl(self, *words):
        result = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise RuntimeError(f"openssl {words[0]}: {result.stderr}")

    def make(self, names="DNS:localhost,IP:127.0.0.1", is_expired=False):
        """Signed by the authority, for these names."""
        self.count += 1
        stem = f"server{self.count}"
        (self.folder / f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        self.openssl("req", *KEY, "-keyout", f"{stem}.key", "-out", f"{stem}.csr",
                     "-subj", f"/CN={stem}")
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
        self.openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem",
                     "-keyfile", "ca.key", "-in", f"{stem}.csr", "-out", f"{stem}.pem",
                     "-extfile", f"{stem}.ext", *(dates if is_expired else ["-days", "2"]))
        return self.folder / f"{stem}.pem", self.folder / f"{stem}.key"

    def make_self_signed(self):
        self.openssl("req", "-x509", *KEY, "-keyout", "self.key", "-out", "self.pem", "-days", "2",
                     "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        return self.folder / "self.pem", self.folder / "self.key"


def context(certificate, key):
    """A server's TLS context."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made
