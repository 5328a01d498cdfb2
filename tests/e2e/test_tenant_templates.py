"""A tenant's own words and templates in its mails, and what their mistakes do: to nobody else, and
never to a mail."""

import re
import shutil
import signal
import subprocess

import pytest

from tests.support import process, schema
from tests.support.portal import Portal

CONFIG = 78
TEXT = "{{<layout_text}}{{$body}}{{words.lead_many}}{{/body}}{{$why}}Why{{/why}}{{/layout_text}}\n"


class Overrides:
    """The folder that [templates] overrides names."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def put(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def overrides(tmp_path):
    return Overrides(tmp_path / "tenants")


@pytest.fixture
def start(handbell, mail_store, overrides):
    def run():
        return handbell.start_worker(
            mail_store.url, {"templates": {
                "dir": process.ROOT / "templates", "overrides": overrides.folder}}
        )  # fmt: skip

    return run


@pytest.fixture
def other(make_login):
    """The portal of a second tenant."""
    portal = Portal(make_login(tenants=["other"]), "other")
    portal.put_tenant()
    return portal


@pytest.fixture
def publish(demo, mail_store):
    """publish(course, portal): one alert; returns its mail."""

    def run(course, portal=demo, **person):
        before = len(mail_store.mails())
        portal.put_category(f"{course}i")
        portal.put_person(f"{course}p", interests=[f"{course}i"], **person)
        portal.put_course(course, title="Fractions", categories=[f"{course}i"])
        return mail_store.wait_for(before + 1)[-1]

    return run


def reload(worker, event):
    before = worker.log_text().count(f"event={event}")
    worker.process.send_signal(signal.SIGHUP)
    process.wait_until(
        lambda: worker.log_text().count(f"event={event}") > before, 15, f"the log says {event}"
    )


def check(config):
    return subprocess.run(
        [str(schema.binary()), "check", "--config", config],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_tenant_s_word_is_in_its_mails_alone(start, overrides, publish, other):
    overrides.put("demo/course_alert/words.en-GB", "what = Fresh & <new>\n")
    other.put_tenant(language="cy")
    start()
    mail = publish("c1")
    assert mail.message["Subject"].startswith("Fresh & <new>: Fractions")
    assert "Fresh &amp; &lt;new&gt;" in mail.html() and '<html lang="en-GB"' in mail.html()
    welsh = publish("c2", language="cy")
    assert "Fresh" not in welsh.message["Subject"] and '<html lang="cy"' in welsh.html()
    mail = publish("c3", other)
    assert "Fresh" not in mail.message["Subject"] and '<html lang="cy"' in mail.html()


def test_a_reload_takes_over_what_is_right_and_keeps_what_was(start, overrides, publish):
    overrides.put("demo/course_alert/words.en-GB", "what = First\n")
    worker = start()
    assert publish("c1").message["Subject"].startswith("First: ")
    overrides.put("demo/course_alert/words.en-GB", "\nwaht = Second\n")
    reload(worker, "reload_failed")
    assert "words.en-GB: line 2: no template uses the word" in worker.log_text()
    assert publish("c2").message["Subject"].startswith("First: ")
    overrides.put("demo/course_alert/words.en-GB", "what = Third\n")
    reload(worker, "settings_reloaded")
    assert publish("c3").message["Subject"].startswith("Third: ")
    shutil.rmtree(overrides.folder / "demo")
    reload(worker, "settings_reloaded")
    assert publish("c4").message["Subject"].startswith("New course: ")


def test_a_worker_starts_with_the_shipped_templates_where_a_tenant_s_are_wrong(
    start, overrides, publish, other
):
    overrides.put("demo/course_alert/words.en-GB", "what = Never seen\n")
    overrides.put("demo/course_alert/html.mustache", "\n{{curse.title}}")
    overrides.put("other/course_alert/words.en-GB", "what = Ours\n")
    worker = start()
    assert publish("c1").message["Subject"].startswith("New course: ")
    assert publish("c2", other).message["Subject"].startswith("Ours: ")
    assert worker.log_text().count("event=tenant_templates_refused") == 1
    done = check(worker.config)
    assert done.returncode == CONFIG
    assert (
        f"[templates] overrides: {overrides.folder}/demo/course_alert/html.mustache: line 2: "
        'unknown field "curse.title"; nearest is "course.title"' in done.stderr
    )
    assert "templates: good" not in done.stdout


def test_a_template_without_end_fails_its_own_mails_alone(
    start, overrides, publish, other, demo, owner
):
    loop = "tenant.postal_address_lines"
    loops = f"{{{{#{loop}}}}}" * 20 + f"{{{{/{loop}}}}}" * 20
    overrides.put("demo/course_alert/text.mustache", TEXT.replace("{{words.lead_many}}", loops))
    demo.put_tenant(postal_address="One\nTwo\nThree\nFour")
    worker = start()
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"])
    demo.put_course("c1", categories=["maths"])
    process.wait_until(
        lambda: owner.execute("select state from message_record").fetchall() == [("failed",)],
        20, "it has failed",
    )  # fmt: skip
    assert "does not end, or is too long" in worker.log_text()
    assert "Fractions" in publish("c2", other).text()
    assert worker.check_running()


def test_what_the_page_on_templates_shows_is_right(overrides, tmp_path):
    page = (process.ROOT / "docs/templates.md").read_text(encoding="utf-8")
    examples = re.findall(r"^`(demo/\S+)`\n\n((?:    .*\n)+)", page, re.M)
    assert [path for path, _ in examples] == [
        "demo/course_alert/words.en-GB", "demo/partials/words.cy",
        "demo/course_alert/subject.mustache",
    ]  # fmt: skip
    for path, text in examples:
        overrides.put(path, re.sub(r"^    ", "", text, flags=re.M))
    config = tmp_path / "handbell.conf"
    config.write_text(
        f"[templates]\ndir = {process.ROOT}/templates\noverrides = {overrides.folder}\n"
    )
    assert "en-GB; tenants with their own: 1)" in check(config).stdout
    preview = subprocess.run(
        [schema.binary(), "preview", "--config", config, "--kind", "course_alert", "--sample",
         "--format", "text", "--tenant", "demo"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Reserve a place on" in preview.stdout, preview.stderr
