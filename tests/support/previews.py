"""Every mail that Handbell can make, by `handbell preview`: kinds, languages and samples.

Reads the samples' files for their names; what a mail looks like it learns from the program alone.
"""

import concurrent.futures
import dataclasses
import email
import email.policy
import json
import os
import pathlib
import shutil
import subprocess
import unittest.mock

from tests.support import process, schema

TEMPLATES = process.ROOT / "templates"
LANGUAGES = ("en-GB", "cy")


def sample_names(templates=TEMPLATES):
    """{kind: [names of its samples]}"""
    return {
        path.stem: list(json.loads(path.read_text(encoding="utf-8"))["samples"])
        for path in sorted((templates / "samples").glob("*.json"))
        if path.stem != "shared"
    }


def kinds_with_templates():
    return sorted(path.parent.name for path in TEMPLATES.glob("*/subject.mustache"))


@dataclasses.dataclass(frozen=True)
class Which:
    """One mail to look at."""

    kind: str
    sample: str
    language: str

    def __str__(self):
        return f"{self.kind}.{self.sample}.{self.language}"


def all_mails():
    return [
        Which(kind, sample, language)
        for kind, samples in sample_names().items()
        for sample in samples
        for language in LANGUAGES
    ]


def of_kind(kind, language):
    return [which for which in all_mails() if (which.kind, which.language) == (kind, language)]


def run(*arguments, templates=TEMPLATES, environment=None, **more):
    """`handbell preview`, with no settings but these."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HANDBELL_")}
    clean |= {"HANDBELL_TEMPLATES_DIR": str(templates)} | (environment or {})
    return subprocess.run(
        [str(schema.binary()), "preview", "--config", "/dev/null", *arguments],
        env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60, **more,
    )  # fmt: skip


def run_on(handbell, *arguments, **more):
    """`handbell preview` on the database of a test (its fixture `handbell`), as the tenant demo."""
    with unittest.mock.patch.dict(os.environ, HANDBELL_TEMPLATES_DIR=str(TEMPLATES)):
        return handbell.run("preview", "--tenant", "demo", *arguments, **more)


def show(which, form="eml", templates=TEMPLATES, environment=None):
    """The bytes of a mail, or of one of its bodies."""
    done = run(
        "--kind", which.kind, "--sample", which.sample, "--language", which.language,
        "--format", form, templates=templates, environment=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"{which}: {done.stderr.decode()}"
    return done.stdout


class Mails(dict):
    """{which: bytes of the mail}; asking for one that could not be made says why."""

    def __init__(self):
        super().__init__()
        self.problems = {}

    def __missing__(self, which):
        raise AssertionError(self.problems.get(which, f"{which} was not asked for"))


def show_all(whiches, templates=TEMPLATES, environment=None):
    mails = Mails()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = {
            which: pool.submit(show, which, templates=templates, environment=environment)
            for which in whiches
        }
    for which, task in tasks.items():
        if task.exception() is None:
            mails[which] = task.result()
        else:
            mails.problems[which] = str(task.exception())
    return mails


def artefacts(name):
    """An empty folder beside the program under test, for what people may want to look at."""
    folder = pathlib.Path(schema.binary()).parent / "mails" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def text_of(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def html_of(mail):
    return mail.get_body(("html",)).get_content().replace("\r\n", "\n")


def calendars_of(mail):
    """The calendar parts' contents, attached ones included."""
    return [
        part.get_payload(decode=True)
        for part in mail.walk()
        if part.get_content_type() == "text/calendar"
    ]


def change_samples(folder, change):
    """A templates' folder that is the shipped one but for its samples: change(name, contents) alters
    each file of them in place."""
    folder.mkdir(parents=True)
    for entry in TEMPLATES.iterdir():
        if entry.name != "samples":
            (folder / entry.name).symlink_to(entry)
    (folder / "samples").mkdir()
    for path in (TEMPLATES / "samples").glob("*.json"):
        contents = json.loads(path.read_text(encoding="utf-8"))
        change(path.stem, contents)
        (folder / "samples" / path.name).write_text(
            json.dumps(contents, ensure_ascii=False), encoding="utf-8"
        )
    return folder


def put_everywhere(text):
    """A change of the samples: whatever people type into one line becomes `text`."""

    def change_course(course):
        course["title"] = text
        for session in course["sessions"]:
            session["venue"] = text
        for resource in course["resources"]:
            resource["name"] = text

    def change(name, contents):
        if name == "shared":
            for tenant in contents["tenants"].values():
                tenant |= {"name": text, "from_name": text}
            for person in contents["people"].values():
                person["display_name"] = text
            for course in contents["courses"]:
                change_course(course)
            for category in contents["categories"].values():
                category["name"] = text
            return
        for sample in contents["samples"].values():
            message = sample["message"]
            if (message.get("booking") or {}).get("delegate_name"):
                message["booking"]["delegate_name"] = text
            if (message.get("roles") or {}).get("booked_for"):
                message["roles"]["booked_for"] = [text]
            if "establishment" in message:
                message["establishment"]["name"] = text

    return change
