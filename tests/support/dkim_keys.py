"""DKIM keys for tests: made by openssl as docs/operations.md says, published in a dictionary."""

import base64
import os
import subprocess

import dkim


class DkimKeys:
    """A key folder as `[dkim] key_dir` wants it, and the records of what is in it."""

    def __init__(self, folder):
        self.folder = folder
        self.records = {}  # name with its final dot: text

    def make(self, domain, selector, kind="rsa", bits=2048, is_waiting=False):
        """Writes a key and publishes it; returns the record's text."""
        path = self.folder / domain / f"{selector}.pem{'.next' if is_waiting else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
        if kind == "ed25519":
            words = ["-algorithm", "ED25519"]
        subprocess.run(["openssl", "genpkey", *words, "-out", path], check=True, capture_output=True)
        os.chmod(path, 0o600)
        text = record_of(path, kind)
        self.records[f"{selector}._domainkey.{domain}."] = text
        return text

    def turn(self, domain, selector):
        """The waiting key's turn has come."""
        path = self.folder / domain / f"{selector}.pem"
        path.with_suffix(".pem.next").rename(path)

    def remove(self, domain, selector):
        (self.folder / domain / f"{selector}.pem").unlink()

    def _answer(self, name, timeout=None):
        return self.records.get(name.decode(), "").encode()

    def verify(self, content):
        """[(algorithm, selector, whether it verifies)] of each signature of a mail, from the top."""
        count = sum(
            line.lower().startswith(b"dkim-signature:")
            for line in content.partition(b"\r\n\r\n")[0].split(b"\r\n")
        )
        found = []
        for number in range(count):
            checked = dkim.DKIM(content)
            try:
                is_good = checked.verify(idx=number, dnsfunc=self._answer)
            except dkim.DKIMException:
                is_good = False
            fields = checked.signature_fields
            found.append((fields[b"a"].decode(), fields[b"s"].decode(), is_good))
        return found


def record_of(path, kind):
    """The TXT record's text, from what openssl says is the public half."""
    der = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    public = der[-32:] if kind == "ed25519" else der
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"
