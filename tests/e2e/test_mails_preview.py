"""`handbell preview`: what the CPD team sees is what a delegate would get, and nothing comes of it."""

import email.utils
import json
import re
import urllib.error
import urllib.request

import pytest

from tests.support import previews
from tests.support.portal import in_days
from tests.support.previews import Which

USAGE, DATA, NO_INPUT, NO_PERMISSION, CANNOT_CREATE, CONFIG = 64, 65, 66, 77, 73, 78
ONE = Which("course_alert", "one", "en-GB")


def said(done, status):
    assert (done.returncode, done.stdout) == (status, b"")
    text = done.stderr.decode()
    assert text.startswith("handbell preview: ") and text.endswith("\n")
    return text.removeprefix("handbell preview: ")[:-1]


def test_the_list_names_every_kind_and_sample():
    done = previews.run("--list")
    assert done.returncode == 0 and done.stderr == b""
    rows = [line.split(None, 2) for line in done.stdout.decode().splitlines()]
    assert all(len(row) == 3 for row in rows)
    names = {}
    for kind, sample, _ in rows:
        names.setdefault(kind, []).append(sample)
    assert names == previews.sample_names()
    only = previews.run("--list", "--kind", "reminder").stdout.decode().splitlines()
    assert only == [line for line in done.stdout.decode().splitlines() if line.startswith("reminder ")]


@pytest.mark.parametrize("arguments, words", [
    ([], "--kind is missing"),
    (["--kind", "course_alert"], "say --course and --person, or --sample"),
    (["--kind", "course_alert", "--course", "c", "--person", "p"], "--tenant is missing"),
    (["--kind", "course_alert", "--sample", "--course", "c"], "--sample: goes without"),
    (["--kind", "course_alert", "one"], "needs --sample before it"),
    (["--kind", "course_allert", "--sample"], "there are: booking_approved, "),
    (["--kind", "../secret", "--sample"], "--kind: there is none of that name"),
    (["--kind", "course_alert", "--sample", "two"], "there are: one, online, "),
    (["--kind", "course_alert", "--sample", "--format", "pdf"], "--format: must be eml, text or html"),
    (["--kind", "course_alert", "--sample", "--language", "fr"], "it is in: cy, en-GB"),
    (["--kind", "course_alert", "--sample", "--language", "c\ny"], "--language: must be like en-GB"),
])  # fmt: skip
def test_a_mistake_is_named(arguments, words):
    assert words in said(previews.run(*arguments), USAGE)


def test_what_is_broken_in_a_samples_file_is_named(tmp_path):
    folder = previews.change_samples(tmp_path / "templates", lambda name, contents: None)
    broken = folder / "samples/course_alert.json"
    arguments = ["--kind", "course_alert", "--sample"]
    broken.write_text('{"samples": {"one": {"person": "nobody", "tenant": "plain"}}}')
    words = said(previews.run(*arguments, templates=folder), CONFIG)
    assert words.startswith(
        "samples/course_alert.json: person: there is none of that name; there are: ann, "
    )
    broken.write_text('{"samples": {')
    assert str(broken) in said(previews.run(*arguments, templates=folder), DATA)
    (folder / "samples/shared.json").unlink()
    broken.write_text('{"samples": {"one": {}}}')
    words = said(previews.run(*arguments, templates=folder), NO_INPUT)
    assert "shared.json: No such file or directory" in words


def test_the_three_formats_are_one_mail():
    mail = previews.parse(previews.show(ONE))
    assert previews.show(ONE, "text").decode() == previews.text_of(mail)
    assert previews.show(ONE, "html").decode() == previews.html_of(mail)
    assert previews.show(ONE) == previews.show(ONE)


def test_the_logo_stands_in_the_page():
    which = Which("course_alert", "branded", "en-GB")
    page = previews.show(which, "html").decode()
    assert "cid:" in previews.html_of(previews.parse(previews.show(which)))
    shared = json.loads((previews.TEMPLATES / "samples/shared.json").read_text(encoding="utf-8"))
    picture = shared["tenants"]["branded"]["brand"]["logo"]["base64"]
    assert f'src="data:image/png;base64,{picture}"' in page and "cid:" not in page


def test_a_file_is_written_for_its_owner_alone(tmp_path):
    path = tmp_path / "mail.eml"
    done = previews.run("--kind", "course_alert", "--sample", "--output", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert path.read_bytes() == previews.show(ONE)
    assert path.stat().st_mode & 0o777 == 0o600
    nowhere = tmp_path / "none/mail.eml"
    done = previews.run("--kind", "course_alert", "--sample", "--output", str(nowhere))
    assert said(done, CANNOT_CREATE) == f"{nowhere}: No such file or directory"
    full = previews.run("--kind", "course_alert", "--sample", "--output", "/dev/full")
    assert "/dev/full: No space left" in said(full, 74)


def test_a_sample_needs_no_database():
    """Asked for as a tenant's without one, it is shown with the sample's own facts, and says so."""
    environment = {"HANDBELL_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    done = previews.run(
        "--kind", "course_alert", "--tenant", "demo", "--sample", environment=environment
    )
    assert done.returncode == 0 and done.stdout == previews.show(ONE)
    assert b"shown with the sample's own tenant: database: connection" in done.stderr
    done = previews.run(
        "--kind", "course_alert", "--tenant", "demo", "--course", "c1", "--person", "p1",
        environment=environment,
    )  # fmt: skip
    assert "database: connection" in said(done, 69)


@pytest.fixture
def course(demo):
    """A course that somebody is booked on."""
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"], language="cy")
    demo.put_course(
        "c1", title="Tenths and tangents", categories=["maths"], starts_at=in_days(30), ends_at=in_days(30, 15),
        booking_url="https://cpd.westmarch.example.org/c1",
    )  # fmt: skip
    demo.put_booking("b1", "c1", "p1", status="confirmed")
    return demo


def of_course(handbell, kind, *more):
    return previews.run_on(handbell, "--kind", kind, "--course", "c1", "--person", "p1", *more)


@pytest.mark.parametrize("kind", previews.sample_names())
def test_a_real_course_is_shown_without_the_person_s_address(handbell, course, owner, kind):
    queued = owner.execute("select * from message order by message_id").fetchall()
    done = of_course(handbell, kind, "--language", "en-GB")
    mail = previews.parse(done.stdout.encode())
    assert "Tenths and tangents" in previews.text_of(mail)
    assert email.utils.parseaddr(mail["To"])[1] == "preview@example.invalid"
    address = owner.execute("select email from person").fetchone()[0]
    whole = done.stdout + "".join(
        part.get_payload(decode=True).decode(errors="replace")
        for part in mail.walk()
        if not part.is_multipart()
    )
    assert address not in whole and done.stderr == ""
    assert ("List-Id" in mail) == (kind == "course_alert")
    assert owner.execute("select * from message order by message_id").fetchall() == queued

def test_a_shared_mailbox_is_known_for_one_without_being_shown(handbell, course):
    course.change_person("p1", email="pennaeth@millrace.example.org", first_name="Ann", last_name="Lee")
    done = of_course(handbell, "booking_confirmed", "--language", "en-GB")
    assert "(for Ann Lee)" in previews.parse(done.stdout.encode())["Subject"]
    assert "pennaeth@millrace" not in done.stdout


def test_a_person_is_shown_their_own_language(handbell, course):
    mail = previews.parse(of_course(handbell, "booking_confirmed").stdout.encode())
    assert '<html lang="cy"' in previews.html_of(mail)


@pytest.mark.parametrize("arguments, words", [
    (["--course", "c2", "--person", "p1"], 'no course has the ref "c2"'),
    (["--course", "c1", "--person", "p2"], 'no person has the ref "p2"'),
])  # fmt: skip
def test_what_is_unknown_is_named(handbell, course, arguments, words):
    done = previews.run_on(handbell, "--kind", "reminder", *arguments, check=False)
    assert done.returncode == DATA and done.stdout == "" and words in done.stderr


def test_another_s_tenant_is_refused(handbell, course, make_login):
    login = make_login(tenants=["other"])
    name = login.execute("select session_user").fetchone()[0]
    done = previews.run_on(
        handbell, "--kind", "reminder", "--course", "c1", "--person", "p1", login=name, check=False
    )
    assert done.returncode == NO_PERMISSION and done.stdout == ""


PICTURE = json.loads((previews.TEMPLATES / "samples/shared.json").read_text(encoding="utf-8"))[
    "tenants"]["branded"]["brand"]  # fmt: skip


def test_a_sample_is_shown_as_the_tenant_would_send_it(handbell, demo):
    """Its name, colour and logo, and the words that it has of its own."""
    demo.put_tenant(brand={**PICTURE, "name": "Marchlearn", "colour": "#7a1f3d"})
    done = previews.run_on(handbell, "--kind", "course_alert", "--sample")
    mail = previews.parse(done.stdout.encode())
    page = previews.html_of(mail)
    assert "Marchlearn" in page and "#7a1f3d" in page.lower() and "cid:" in page
    assert str(mail["From"]) == "Westmarch CPD Online <cpd@westmarch.example.org>"
    assert "Teaching fractions with confidence" in page


def override(folder, tenant, kind, language, text):
    path = folder / tenant / kind / f"words.{language}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return {"HANDBELL_TEMPLATES_OVERRIDES": str(folder)}


def test_a_tenant_s_own_words_are_shown_without_a_database(tmp_path):
    words = (previews.TEMPLATES / "course_alert/words.en-GB").read_text(encoding="utf-8")
    own = "".join(f"{name} = Quokka\n" for name in re.findall(r"^(\w+) = [^{}\\\n]+$", words, re.M))
    environment = override(tmp_path, "marchlearn", "course_alert", "en-GB", own)
    environment["HANDBELL_DATABASE_URL"] = "postgresql://127.0.0.1:1/none"
    arguments = ["--kind", "course_alert", "--sample", "--format", "html"]
    done = previews.run(*arguments, "--tenant", "marchlearn", environment=environment)
    assert done.returncode == 0 and b"Quokka" in done.stdout
    other = previews.run(*arguments, "--tenant", "other", environment=environment)
    assert other.returncode == 0 and b"Quokka" not in other.stdout


def test_a_mistake_in_a_tenant_s_own_words_is_shown_instead_of_the_mail(tmp_path):
    environment = override(tmp_path, "marchlearn", "course_alert", "en-GB", "no_such_word = x\n")
    environment["HANDBELL_DATABASE_URL"] = "postgresql://127.0.0.1:1/none"
    arguments = ["--kind", "course_alert", "--sample", "--tenant"]
    done = previews.run(*arguments, "marchlearn", environment=environment)
    assert (done.returncode, done.stdout) == (CONFIG, b"")
    assert b"marchlearn/course_alert/words." in done.stderr and b"no_such_word" in done.stderr
    assert previews.run(*arguments, "other", environment=environment).returncode == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_opted_out_by_the_link_of_a_preview(handbell, course, owner, method):
    """The link of a real person's mail, asked for as a reader and as a mail program would."""
    _, url = handbell.start_web()
    course.put_tenant(base_url=url)
    mail = previews.parse(of_course(handbell, "course_alert").stdout.encode())
    links = set(re.findall(re.escape(url) + r"/u/[a-z2-7]+", previews.text_of(mail)))
    (link,) = links
    assert link in str(mail["List-Unsubscribe"])
    body = b"List-Unsubscribe=One-Click" if method == "POST" else None
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(link, body, method=method), timeout=10)
    assert refused.value.code == 404
    assert owner.execute("select count(*) from opt_out").fetchone()[0] == 0


def test_the_kinds_of_samples_are_of_the_database_s_lanes(owner):
    """Lane and topic decide which headers a mail has."""
    rows = owner.execute("select kind, lane, link_topic from kind").fetchall()
    known = {kind: (lane, topic) for kind, lane, topic in rows}
    for kind in previews.sample_names():
        path = previews.TEMPLATES / f"samples/{kind}.json"
        contents = json.loads(path.read_text(encoding="utf-8"))
        assert (contents["lane"], contents["link_topic"]) == known[kind], kind


def keys_of(value):
    return set(value or {})


@pytest.mark.parametrize("kind", previews.sample_names())
def test_samples_say_nothing_that_the_database_does_not(course, owner, kind):
    """A sample that has grown apart from the facts of a claim would show what nobody gets."""
    rows = owner.execute(
        "select what, data::json from preview_facts('demo', %s, 'c1', 'p1')", [kind]
    ).fetchall()
    given = dict(rows)
    folder = previews.TEMPLATES / "samples"
    shared = json.loads((folder / "shared.json").read_text(encoding="utf-8"))
    for tenant in shared["tenants"].values():
        assert keys_of(tenant) - {"brand"} <= keys_of(given["tenant"])
    for stated in shared["courses"]:
        assert keys_of(stated) <= keys_of(given["course"])
        for session in stated["sessions"]:
            assert keys_of(session) <= keys_of(given["course"]["sessions"][0])
    for person in shared["people"].values():
        assert keys_of(person) <= keys_of(given["message"]["person"])
    samples = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))["samples"]
    for name, sample in samples.items():
        message = sample["message"]
        assert keys_of(message) <= keys_of(given["message"]), name
        for part in ("booking", "roles", "change"):
            if "person" in sample:  # a provider has a role that no person has
                assert keys_of(message.get(part)) <= keys_of(given["message"][part]), (name, part)
