"""DKIM keys for tests: made by openssl as docs/operations.md says, published in a dictionary."""

import base64
import collections
import subprocess

import dkim


# (kind, bits): [(the key's file, its record's text)], as they were made: openssl looks long for primes.
MADE = collections.defaultdict(list)


class DkimKeys:
    """A key folder as `[dkim] key_dir` wants it, and the records of what is in it. Its keys are all
    different; those of another folder may be the same."""

    def __init__(self, folder):
        self.folder = folder
        self.records = {}  # name with its final dot: text
        self.counts = collections.Counter()

    def make(self, domain, selector, kind="rsa", bits=2048, is_waiting=False):
        """Writes a key and publishes it; returns the record's text."""
        path = self.folder / domain / f"{selector}.pem{'.next' if is_waiting else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = MADE[kind, bits]
        if self.counts[kind, bits] == len(made):
            made.append(generate(path, kind, bits))
        key, text = made[self.counts[kind, bits]]
        self.counts[kind, bits] += 1
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(key)
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


def generate(path, kind, bits):
    """(the key's file, its record's text) of a new key."""
    words = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
    if kind == "ed25519":
        words = ["-algorithm", "ED25519"]
    subprocess.run(["openssl", "genpkey", *words, "-out", path], check=True, capture_output=True)
    return path.read_bytes(), record_of(path, kind)


def record_of(path, kind):
    """The TXT record's text, from what openssl says is the public half."""
    der = subprocess.run(
        ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
        capture_output=True,
    ).stdout  # fmt: skip
    public = der[-32:] if kind == "ed25519" else der
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"
