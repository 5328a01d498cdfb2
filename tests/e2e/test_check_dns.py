"""`handbell check` against a name server that tells the truth, or worse."""

import json
import os
import pathlib
import subprocess
import time

import pytest

from tests.support import dns_server, process
from tests.support.dkim_keys import DkimKeys
from tests.support.schema import WORKER

DOMAIN = "westmarch.example.org"
BOUNCE = f"bounce.{DOMAIN}"
GOOD, BAD, UNKNOWN = 0, 78, 75


@pytest.fixture
def names():
    server = dns_server.DnsServer()
    yield server
    server.stop()


@pytest.fixture
def keys(tmp_path):
    made = DkimKeys(tmp_path / "dkim")
    made.folder.mkdir()
    return made


@pytest.fixture
def publish(names, keys):
    """publish(): what every record should be; keyword arguments replace some of them."""

    def put(**texts):
        names.texts = {
            DOMAIN: ["v=spf1 a:mail.example.org -all", "some-verification=1"],
            BOUNCE: ["v=spf1 include:_spf.example.net ~all"],
            "_spf.example.net": ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"],
            f"_dmarc.{DOMAIN}": ["v=DMARC1; p=quarantine; rua=mailto:d@westmarch.example.org"],
            **{name.rstrip("."): [text] for name, text in keys.records.items()},
        }
        names.texts.update({name.replace("__", "."): value for name, value in texts.items()})

    return put


@pytest.fixture
def check(handbell, demo, names, keys):
    """check(*options): (exit status, {(what, name): (state, text)}, the answer)."""

    def run(*options, is_asked=True, **settings):
        program = handbell.make(
            "check", WORKER,
            {"dkim": {"key_dir": keys.folder},
             "dns": {"server": names.address, "timeout_s": 1}, **settings},
        )  # fmt: skip
        done = handbell.run_with(program, "check", "--json", *options)
        answer = json.loads(done.stdout) if done.stdout else {}
        found = {}
        for domain in answer.get("domains", []):
            for row in domain["findings"]:
                found.setdefault((row["what"], row["name"]), []).append((row["state"], row["text"]))
        return done.returncode, found, answer

    return run


def records_of(answer):
    return {row["name"]: row["text"] for domain in answer["domains"] for row in domain["records"]}


def states_of(found):
    return {state for rows in found.values() for state, _ in rows}


def test_all_that_is_published_well_is_good(check, keys, publish):
    keys.make(DOMAIN, "s1")
    keys.make(DOMAIN, "e1", "ed25519")
    keys.make(DOMAIN, "s2", is_waiting=True)
    publish()
    status, found, answer = check()
    assert states_of(found) == {"good"} and status == GOOD
    (domain,) = answer["domains"]
    assert domain["domain"] == DOMAIN and domain["tenants"] == ["demo"] and not domain["records"]
    assert found["dkim", f"s1._domainkey.{DOMAIN}"] == [("good", "published (rsa, 2048 bits), and signs")]
    assert found["dkim", f"s2._domainkey.{DOMAIN}"][0][1].endswith("waits for its turn")
    assert found["spf", BOUNCE] == [("good", "one record, 1 of 10 lookups")]
    assert found["dmarc", f"_dmarc.{DOMAIN}"] == [("good", "p=quarantine")]
    assert found["alignment", DOMAIN][0][1] == "From, d= and the bounce domain share example.org"


def test_the_records_to_publish_are_spelt_out(check, handbell, keys, publish, names):
    record = keys.make(DOMAIN, "s1")
    publish()
    for name in list(names.texts):
        if name != "_spf.example.net":
            del names.texts[name]
    status, found, answer = check()
    assert status == BAD and states_of(found) == {"bad", "good"}
    records = records_of(answer)
    assert records[f"s1._domainkey.{DOMAIN}"] == record
    assert records["_dmarc.example.org"] == "v=DMARC1; p=none"
    assert records[DOMAIN].startswith("v=spf1 ") and records[BOUNCE].startswith("v=spf1 ")
    # As text the strings have at most 255 bytes, and are the record when joined.
    text = handbell.run_with(handbell.all[-1], "check").stdout
    block = text.partition(f"    s1._domainkey.{DOMAIN}. IN TXT (")[2].partition(" )")[0]
    strings = [line.strip().strip('"') for line in block.strip().splitlines()]
    assert len(strings) > 1 and max(map(len, strings)) <= 255 and "".join(strings) == record


@pytest.mark.parametrize("text,state,says", [
    ("{}", "good", "published"),
    ("{} ", "good", "published"),
    ("k=rsa;p={p}", "good", "published"),
    ("p={p}", "good", "published"),
    ("v=DKIM1;\tk=rsa;\th=sha1:\tsha256 ;\tp={p}\t", "good", "published"),
    ("v=DKIM1; t=y; p={p}", "note", "as a test"),
    ("v=DKIM1; h=sha1:sha256; s=email; p={p}", "good", "published"),
    ("v=DKIM1; h=sha1; p={p}", "bad", "does not allow sha256"),
    ("v=DKIM1; s=tlsrpt; p={p}", "bad", "is not for mail"),
    ("v=DKIM1; k=ed25519; p={p}", "bad", "another kind of key"),
    ("k=rsa; v=DKIM1; p={p}", "bad", "another version, or not at its start"),
    ("v=DKIM2; p={p}", "bad", "another version"),
    ("v=DKIM1; p=", "bad", "revoked"),
    ("v=DKIM1; k=rsa", "bad", "has no p="),
    ("v=DKIM1; p=AAAA", "bad", "another key"),
    ("v=DKIM1; p={p}A", "bad", "another key"),
    ("v=DKIM1; p={p}; p={p}", "bad", "no list of tags"),
    ("nothing of the kind", "bad", "no list of tags"),
    ("", "bad", "has no p="),
])  # fmt: skip
def test_a_published_key_is_compared_with_the_private_one(text, state, says, check, keys, publish):
    record = keys.make(DOMAIN, "s1")
    public = record.partition("p=")[2]
    publish(**{f"s1._domainkey.{DOMAIN}": [text.replace("{}", record).replace("{p}", public)]})
    status, found, _ = check()
    ((found_state, found_text),) = found["dkim", f"s1._domainkey.{DOMAIN}"]
    assert found_state == state and says in found_text
    assert status == (BAD if state == "bad" else GOOD)


def test_two_records_and_few_bits_are_said(check, keys, publish):
    record = keys.make(DOMAIN, "s1", bits=1024)
    keys.make(DOMAIN, "s2", is_waiting=True)
    publish(**{f"s2._domainkey.{DOMAIN}": None})
    status, found, answer = check()
    assert status == GOOD
    assert "1024 bits are few" in found["dkim", f"s1._domainkey.{DOMAIN}"][0][1]
    assert found["dkim", f"s2._domainkey.{DOMAIN}"][0][0] == "note"
    assert f"s2._domainkey.{DOMAIN}" in records_of(answer)
    publish(**{f"s1._domainkey.{DOMAIN}": [record, record + " "]})
    status, found, _ = check()
    assert status == BAD and "2 records" in found["dkim", f"s1._domainkey.{DOMAIN}"][0][1]


@pytest.mark.parametrize("texts,state,says", [
    (["v=spf1 -all"], "good", "0 of 10"),
    (["V=SPF1 MX A/24 a:x.example.org/24//64 exists:%{i}.x.example.org ?ALL"], "good", "4 of 10"),
    (["v=spf1 unknown=fine exp=e.example.org ip4:192.0.2.1 -all"], "good", "0 of 10"),
    (["v=spf1 mx"], "note", "does not say what of all others"),
    (["v=spf1 +all"], "bad", "everybody"),
    (["v=spf1 all"], "bad", "everybody"),
    (["v=spf1"], "note", "0 of 10"),
    (["v=spf10 -all"], "bad", "no v=spf1 record"),
    (["v=spf1 -all", "v=spf1 mx -all"], "bad", "2 v=spf1 records"),
    (["v=spf1 ip4:192.0.2.300 -all"], "bad", 'cannot be read at "ip4:192.0.2.300"'),
    (["v=spf1 ip4:192.0.2.0/33 -all"], "bad", "cannot be read"),
    (["v=spf1 ip6:192.0.2.1 -all"], "bad", "cannot be read"),
    (["v=spf1 a/24/64 -all"], "bad", "cannot be read"),
    (["v=spf1 include: -all"], "bad", "cannot be read"),
    (["v=spf1 include -all"], "bad", "cannot be read"),
    (["v=spf1 a: -all"], "bad", "cannot be read"),
    (["v=spf1 all:x -all"], "bad", "cannot be read"),
    (["v=spf1 ipv4:192.0.2.1 -all"], "bad", "cannot be read"),
    (["v=spf1 redirect=a.example.org redirect=b.example.org"], "bad", "stands twice"),
    (["v=spf1 include:none.example.org -all"], "bad", "none.example.org, which has no v=spf1 record"),
    (["v=spf1 include:loop.example.org -all"], "bad", "more than 10 lookups"),
    (["v=spf1 include:bad.example.org -all"], "bad", "the record of bad.example.org"),
    (["v=spf1 redirect=_spf.example.net"], "good", "1 of 10"),
    (["v=spf1 -all redirect=none.example.org"], "good", "0 of 10"),
    (["v=spf1 " + "a mx " * 5 + "-all"], "good", "10 of 10"),
    (["v=spf1 " + "a mx " * 5 + "ptr -all"], "bad", "more than 10 lookups"),
    (["v=spf1 -all include:none.example.org " + "a mx " * 6], "good", "0 of 10"),
    (["v=spf1 include:open.example.org -all"], "bad", "everybody"),
    (["v=spf1 redirect=open.example.org"], "bad", "everybody"),
    (["v=spf1 -include:open.example.org -all"], "good", "1 of 10"),
    (["v=spf1 mx\t-all"], "bad", "cannot be read"),
    (["v=spf1 \x1b[31m\x9b2J -all"], "bad", 'cannot be read at "?[31m?'),
])  # fmt: skip
def test_spf_is_read_as_receivers_read_it(texts, state, says, check, publish):
    publish(**{
        DOMAIN: texts,
        "loop.example.org": ["v=spf1 include:loop.example.org -all"],
        "bad.example.org": ["v=spf1 rubbish"],
        "open.example.org": ["v=spf1 +all"],
    })  # fmt: skip
    status, found, _ = check()
    assert len(found["spf", DOMAIN]) == 1
    assert found["spf", DOMAIN][0][0] == state and says in found["spf", DOMAIN][0][1]
    assert status == (BAD if state == "bad" else GOOD)


@pytest.mark.parametrize("relay,says", [
    ("smtp://192.0.2.7", "v=spf1 ip4:192.0.2.7 ~all"),
    ("smtps://[2001:db8::7]", "v=spf1 ip6:2001:db8::7 ~all"),
    ("smtps://mail.example.net:465", "v=spf1 a:mail.example.net ~all"),
])  # fmt: skip
def test_the_spf_record_to_publish_names_the_relay(relay, says, check, publish):
    publish(**{DOMAIN: None})
    _, _, answer = check(smtp={"url": relay})
    assert records_of(answer)[DOMAIN] == says


def test_the_spf_record_to_publish_names_each_relay_once(check, publish):
    publish(**{DOMAIN: None})
    _, _, answer = check(
        smtp={"url": "smtps://mail.example.net"},
        smtp2={"url": "smtp://192.0.2.7"},
        smtp4={"url": "smtp://mail.example.net:587", "name": "other"},
    )
    assert records_of(answer)[DOMAIN] == "v=spf1 a:mail.example.net ip4:192.0.2.7 ~all"


def test_who_asks_the_dns_has_nothing_else_open_and_outlives_nobody(
    handbell, demo, keys, names, publish
):
    publish(**{DOMAIN: dns_server.TRUNCATED_DRIP})
    program = handbell.make("check", WORKER, {"dns": {"server": names.address, "timeout_s": 3}})
    with subprocess.Popen([program.binary, "check", "--config", program.config],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asker:  # fmt: skip
        process.wait_until(lambda: DOMAIN in names.asked, 10, "it asks")
        time.sleep(0.5)
        path = pathlib.Path(f"/proc/{asker.pid}/task/{asker.pid}/children")
        (child,) = path.read_text().split()
        open_files = os.listdir(f"/proc/{child}/fd")
        asker.kill()
    assert len(open_files) <= 5, "three of its own, and the resolver's"
    process.wait_until(lambda: not is_alive(child), 10, "it has ended too")


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("texts,above,state,says", [
    (["v=DMARC1; p=reject"], None, "good", "p=reject"),
    (["v=DMARC1; p=none"], None, "note", "nobody is stopped"),
    (["v =\tDMARC1 ; p=reject"], None, "good", "p=reject"),
    (["v=dmarc1; p=reject"], None, "bad", "none at _dmarc.example.org"),
    (["v=DMARC1"], None, "bad", "no policy"),
    (["v=DMARC1; p=perhaps"], None, "bad", "no policy"),
    (["v=DMARC1; p=reject", "v=DMARC1; p=none"], None, "bad", "2 v=DMARC1 records"),
    (["v=DMARC1; p"], None, "bad", "cannot be read"),
    (None, ["v=DMARC1; p=reject; sp=quarantine"], "good", "sp=quarantine"),
    (None, ["v=DMARC1; p=reject"], "good", "p=reject"),
    (None, None, "bad", "none at _dmarc.example.org"),
    (["something else"], ["v=DMARC1; p=reject"], "good", "p=reject"),
])  # fmt: skip
def test_dmarc_is_found_at_the_domain_or_above(texts, above, state, says, check, publish):
    publish(**{f"_dmarc.{DOMAIN}": texts, "_dmarc.example.org": above})
    status, found, _ = check()
    rows = [row for (what, _), many in found.items() if what == "dmarc" for row in many]
    assert len(rows) == 1 and rows[0][0] == state and says in rows[0][1]
    assert status == (BAD if state == "bad" else GOOD)


@pytest.mark.parametrize("from_domain,bounce,state,says", [
    ("mail.example.org", "b.example.org", "good", "share example.org"),
    ("example.org", "", "good", "From, envelope share example.org"),
    ("example.org", "b.example.net", "bad", "not below example.org"),
    # Two schools of one council: their domains end alike and are not one organisation's.
    ("abbey.westmarch.sch.uk", "priory.westmarch.sch.uk", "bad", "not below abbey.westmarch.sch.uk"),
    ("mail.abbey.westmarch.sch.uk", "b.abbey.westmarch.sch.uk", "good", "share abbey.westmarch.sch.uk"),
    ("westmarch.gov.uk", "b.westmarch.gov.uk", "good", "share westmarch.gov.uk"),
    ("co.uk", "", "bad", "public suffix"),
])  # fmt: skip
def test_alignment_goes_by_the_organisation(from_domain, bounce, state, says, check, demo, names):
    demo.put_tenant(from_address=f"cpd@{from_domain}", bounce_domain=bounce or None)
    _, found, _ = check()
    rows = [row for (what, _), many in found.items() if what == "alignment" for row in many]
    assert len(rows) == 1 and rows[0][0] == state and says in rows[0][1]


def test_strict_alignment_of_another_bounce_domain_is_said(check, publish):
    publish(**{f"_dmarc.{DOMAIN}": ["v=DMARC1; p=reject; aspf=s"]})
    _, found, _ = check()
    assert ("note", f"aspf=s: SPF of a bounce domain other than {DOMAIN} does not count, DKIM alone"
            " does") in found["alignment", BOUNCE]  # fmt: skip


@pytest.mark.parametrize("trouble,says", [
    (dns_server.SERVFAIL, "does not answer, or cannot"),
    (dns_server.REFUSED, ""),
    (dns_server.SILENT, ""),
    (dns_server.RUBBISH, ""),
    (dns_server.WRONG_ID, ""),
    (dns_server.BAD_LENGTH, "a record that cannot be read"),
    (dns_server.TRUNCATED_SILENT, "no answer in time"),
    (dns_server.TRUNCATED_DRIP, "no answer in time"),
])  # fmt: skip
def test_a_name_server_in_trouble_is_unknown_and_soon_over(trouble, says, check, publish):
    publish(**{DOMAIN: trouble})
    started = time.monotonic()
    status, found, _ = check()
    assert time.monotonic() - started < 15
    ((state, text),) = found["spf", DOMAIN]
    assert (status, state) == (UNKNOWN, "unknown") and says in text
    assert found["dmarc", f"_dmarc.{DOMAIN}"][0][0] == "good"


def test_long_answers_and_aliases_are_followed_and_loops_are_not(check, keys, publish, names):
    keys.make(DOMAIN, "s1")
    publish(**{f"_dmarc.{DOMAIN}": dns_server.LOOP, "_dmarc.example.org": dns_server.LOOP})
    names.texts["keys.example.net"] = names.texts.pop(f"s1._domainkey.{DOMAIN}")
    names.texts[f"s1._domainkey.{DOMAIN}"] = ["alias:keys.example.net"]
    names.texts[DOMAIN] = dns_server.TRUNCATED
    status, found, _ = check()
    assert status == BAD
    assert found["dkim", f"s1._domainkey.{DOMAIN}"][0][0] == "good"
    assert "no v=spf1 record" in found["spf", DOMAIN][0][1]
    assert found["dmarc", f"_dmarc.{DOMAIN}"][0][0] == "bad"


def test_without_a_network_it_says_so_and_ends(check, keys, names):
    for selector in ("s1", "s2", "s3", "s4"):
        keys.make(DOMAIN, selector, bits=1024)
    started = time.monotonic()
    status, found, answer = check(dns={"server": "127.0.0.1:1", "timeout_s": 1})
    assert status == UNKNOWN and time.monotonic() - started < 15
    assert states_of(found) - {"good"} == {"unknown"}
    assert "not asked: the DNS does not answer" in str(found)
    assert len([name for name in records_of(answer) if "_domainkey" in name]) == 4
    status, found, answer = check("--offline")
    assert status == GOOD and answer["database"] == "not asked (--offline)" and not names.asked
    assert len(records_of(answer)) == 4


def test_many_domains_without_a_network_end_soon(check, keys, names):
    names.is_silent = True
    for number in range(30):
        keys.make(f"d{number}.example.org", "s1", "ed25519")
    started = time.monotonic()
    status, found, answer = check()
    assert status == UNKNOWN and 3 < time.monotonic() - started < 25
    assert len(set(names.asked)) == 3  # two of the tenant's domain, one of a domain with one key
    assert len(answer["domains"]) == 31 and len(records_of(answer)) >= 30


def test_without_a_database_the_keys_are_checked_still(check, keys, publish):
    keys.make("other.example.org", "s1")
    publish()
    status, found, answer = check(database={"url": "host=127.0.0.1 port=1"})
    assert status == UNKNOWN and "connection" in answer["database"]
    assert states_of(found) == {"good"}
    (domain,) = answer["domains"]
    assert domain["domain"] == "other.example.org" and domain["tenants"] == []


@pytest.mark.parametrize("server", ["localhost", "127.0.0.1:", "127.0.0.1:x", "::1", "127.0.0.1:70000"])
def test_a_name_server_that_is_none_is_refused(server, handbell, database):
    program = handbell.make("check", WORKER, {"dns": {"server": server}})
    done = handbell.run_with(program, "check")
    assert done.returncode == BAD and "[dns] server: neither" in done.stderr


def test_a_bad_key_is_named(handbell, demo, keys):
    keys.make(DOMAIN, "s1", bits=1024)
    (keys.folder / DOMAIN / "s1.pem").chmod(0o606)
    program = handbell.make("check", WORKER, {"dkim": {"key_dir": keys.folder}})
    done = handbell.run_with(program, "check", "--offline")
    assert done.returncode == BAD
    assert f"[dkim] key_dir: {DOMAIN}/s1.pem: open to its group or to others" in done.stderr
