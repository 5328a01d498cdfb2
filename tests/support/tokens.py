"""Signed tokens, written and changed by tests: an implementation of its own of worker/model/token.h."""

import base64
import hashlib
import hmac
import struct

LABEL = b"handbell token\n"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
TOPICS = {"none": 0, "alerts": 1, "bulletin": 2, "optional": 3}


def read_keys(path):
    """The keys of a key file, the signing one first."""
    lines = [line.strip() for line in open(path, encoding="ascii")]
    return [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]


def make_token(key, tenant_id, person_id, topic="alerts", power=1, version=1):
    """What token_write writes."""
    payload = struct.pack(">BBqq", version << 4 | power, TOPICS[topic], tenant_id, person_id)
    signature = hmac.new(key, LABEL + payload, hashlib.sha256).digest()[:16]
    return base64.b32encode(payload + signature).decode("ascii").lower().rstrip("=")


def flipped(token):
    """The token with each of its characters changed in turn."""
    for index, character in enumerate(token):
        other = ALPHABET[(ALPHABET.index(character) + 1) % len(ALPHABET)]
        yield token[:index] + other + token[index + 1 :]
