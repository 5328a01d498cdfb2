"""The tables of keys in docs/portal.md, made from the contract's own (contract_key()).

`/usr/bin/python3 -m tests.support.contract_table` prints them, to be put into the page.
"""

import json

KINDS = ["tenant", "establishment", "category", "person", "course", "booking",
         "session", "resource", "brand", "logo", "rules", "course rules", "window", "retention"]  # fmt: skip
TYPES = {
    "line": "one line", "text": "text", "address": "mail address", "url": "URL",
    "sender": "mail address at an ASCII domain", "base url": "URL of Handbell's pages",
    "domain": "domain in ASCII", "language": "language tag",
    "time zone": "IANA time zone", "boolean": "true or false", "time": "time with its zone",
    "interval": "length of time, at most 24 hours", "ref": "ref", "refs": "list of refs",
    "dates": "list of dates", "sessions": "list of sessions", "resources": "list of resources",
    "rules": "rules", "course rules": "course rules", "window": "window", "clock": "time of day",
    "number": "whole number from 0", "weekday": "whole number from 1",
    "brand": "brand", "logo": "logo", "colour": "colour, as in #1d4e89",
    "base64": "base64 of an image", "pixels": "whole number from 1",
    "weekdays": "list of days, 1 Monday to 7",
    "retention": "retention", "period": "days, weeks, months or years",
}  # fmt: skip
LISTS = ("refs", "dates", "sessions", "resources", "weekdays")
NUMBERS = ("number", "weekday", "pixels")


def limit(type_, most, choices):
    if type_ == "period":
        return " to ".join(choices)
    if most is None:
        return ""
    if type_ in LISTS:
        return f"{most} entries"
    if type_ == "base64":
        return f"{most} bytes decoded"
    if type_ in NUMBERS:
        return f"{most}"
    return f"{most} octets" if type_ in ("address", "sender") else f"{most} characters"


def table(owner, kind):
    """The lines of one kind's table, and the keys that are not available yet."""
    rows = owner.execute(
        "select key, type, most, choices, standard, is_nullable, is_available"
        " from handbell.contract_key() where kind = %s", [kind]
    ).fetchall()  # fmt: skip
    lines = ["| key | type | limit | default |", "| --- | --- | --- | --- |"]
    for key, type_, most, choices, standard, is_nullable, is_available in rows:
        if is_available:
            shown = "one of " + ", ".join(choices) if type_ == "one of" else TYPES[type_]
            default = "" if standard is None else f"`{json.dumps(standard)}`"
            mark = "" if is_nullable else " (not null)"
            lines.append(f"| `{key}` | {shown}{mark} | {limit(type_, most, choices)} | {default} |")
    return lines, [row[0] for row in rows if not row[-1]]


def main():
    from tests.support import schema
    from tests.support.cluster import Cluster

    cluster = Cluster(is_fast=True).create()
    try:
        with cluster.connect("postgres") as connection:
            connection.execute("create database contract")
        schema.migrate(cluster, "contract")
        with cluster.connect("contract", options="-csearch_path=handbell") as owner:
            for kind in KINDS:
                lines, missing = table(owner, kind)
                print(f"\n### {kind}\n", *lines, sep="\n")
                if missing:
                    print("\nNot available yet:", ", ".join(f"`{key}`" for key in missing))
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
