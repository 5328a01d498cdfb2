"""Which mail addresses are taken: RFC 5321's syntax and limits, and no control character."""

import os
import pathlib
import xml.etree.ElementTree as ElementTree

import pytest

CORPUS = pathlib.Path(os.environ.get("HANDBELL_CORPORA", "/nonexistent")) / "isemail/tests.xml"
GOOD = [
    "jo@school.example.org", "jo.o'neill+cpd@school.example.org", '"jo smith"@a.test', "a@b",
    "jo@sub.sub.a.test", "x" * 64 + "@a.test", "JO@A.TEST", "1@2.test", "\u0436\u0430\u043d@a.test",
    "jo@m\u00fcnchen.test", "jo@xn--mnchen-3ya.test", "!#$%&'*+-/=?^_`{|}~@a.test",
    "a@" + ".".join(["b" * 60] * 4) + ".test",
]  # fmt: skip
BAD = {
    "": "no @", "jo": "no @", "@a.test": "local part", "jo@": "domain", "jo@@a.test": "local part",
    "jo@a@b.test": "local part", ".jo@a.test": "local part", "jo.@a.test": "local part",
    "j..o@a.test": "local part", "jo@a..test": "domain", "jo@.a.test": "domain",
    "jo@a.test.": "domain", "jo@-a.test": "domain", "jo@a-.test": "domain", "jo@a_b.test": "domain",
    "jo smith@a.test": "local part", "jo@a.test (Jo)": "domain", "Jo <jo@a.test>": "local part",
    "jo@a.test\r\nBcc: x@b.test": "control character", "jo\n@a.test": "control character",
    "jo@a.test\u0000".replace("\u0000", "\u0001"): "control character",
    "jo\u202e@a.test": "control character", "jo\u200b@a.test": "control character",
    "jo@a.test,al@a.test": "local part", "jo@a.test;": "domain", "jo@[192.0.2.1]": "IP address",
    "x" * 65 + "@a.test": "4.5.3.1.1", "a@" + "b" * 64 + ".test": "label",
    "a@" + ".".join(["b" * 60] * 5): "4.5.3.1", '"jo@a.test': "local part", "a@b,c": "domain",
    "\u0436" * 33 + "@a.test": "4.5.3.1.1",
}  # fmt: skip


@pytest.fixture
def problem(owner):
    return lambda address: owner.execute("select address_problem(%s)", [address]).fetchone()[0]


@pytest.mark.parametrize("address", GOOD)
def test_a_good_address_is_taken(problem, address):
    assert problem(address) is None


def test_each_bad_address_is_refused_with_its_reason(problem):
    for address, reason in BAD.items():
        assert reason in (problem(address) or "taken"), address


def test_the_corpus_of_isemail_is_judged_alike(problem):
    """Valid and merely unresolvable ones are taken; comments, folding, obsolete forms are not."""
    if not CORPUS.exists():
        pytest.skip("HANDBELL_CORPORA does not name a folder with isemail/tests.xml")
    differing = []
    for test in ElementTree.parse(CORPUS).iter("test"):
        address = "".join(
            chr(ord(c) - 0x2400) if 0x2400 < ord(c) < 0x2421 else c
            for c in (test.findtext("address") or "")
        )
        category, diagnosis = test.findtext("category"), test.findtext("diagnosis")
        if "\u2400" in address:
            continue  # PostgreSQL takes no NUL in a text
        is_good = category in ("ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN") or (
            category == "ISEMAIL_RFC5321" and "LITERAL" not in diagnosis and "IPV6" not in diagnosis
        )
        if (problem(address) is None) != is_good:
            differing.append((diagnosis, address, problem(address)))
    assert differing == []
