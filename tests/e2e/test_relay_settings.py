"""The settings of several relays: what is refused, and what `handbell check` says of them."""

import os
import subprocess

import pytest

from tests.support import schema

CONFIG = 78
SECOND = {"HANDBELL_SMTP2_URL": "smtp://127.0.0.1:2526"}


def check(*options, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HANDBELL_")}
    return subprocess.run(
        [schema.binary(), "check", *options, "--config", "/dev/null"],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variables,says", [
    ({**SECOND, "HANDBELL_SMTP2_NAME": "smtp"}, "[smtp2] name: is the name of [smtp] too"),
    ({**SECOND, "HANDBELL_SMTP2_NAME": "Big"}, "[smtp2] name: must be small letters"),
    ({"HANDBELL_SMTP2_URL": "ftp://relay.example.org"}, "[smtp2] url: must begin with smtp://"),
    ({"HANDBELL_SMTP3_URL": "smtp://192.0.2.1", "HANDBELL_SMTP3_USERNAME": "u"},
     "[smtp3] password_file: is missing beside username"),
    ({"HANDBELL_SMTP_ENVELOPE": "both"}, "[smtp] envelope: must be fixed or verp"),
    ({"HANDBELL_SMTP8_WEIGHT": "101"}, "[smtp8] weight: must be a whole number from 0 to 100"),
    ({"HANDBELL_SMTP_URGENT_SHARE": "91"}, "[smtp] urgent_share: must be a whole number"),
])  # fmt: skip
def test_a_setting_that_is_wrong_is_named_with_its_section(variables, says):
    result = check("--offline", **variables)
    assert result.returncode == CONFIG and says in result.stderr
    assert not any(value in result.stderr for value in ("192.0.2.1", "relay.example.org"))


def test_a_relay_without_an_address_is_not_looked_at():
    result = check("--offline", HANDBELL_SMTP2_NAME="smtp", HANDBELL_SMTP2_USERNAME="u")
    assert "[smtp2]" not in result.stderr


def test_explain_shows_the_relays_in_which_something_is_set():
    without = check("--explain").stdout
    assert "[smtp]" in without and "[smtp2]" not in without
    result = check("--explain", **SECOND)
    assert "[smtp2]\nurl = smtp://127.0.0.1:2526" in result.stdout
    assert "[smtp3]" not in result.stdout


def test_the_page_of_settings_tells_the_keys_once():
    page = check("--markdown").stdout
    assert page.count("HANDBELL_SMTP_PER_MINUTE") == 1 and "HANDBELL_SMTP2_" not in page
    assert "## [smtp8]\n\nThe keys of [smtp]; `url` is empty by default.\n" in page
