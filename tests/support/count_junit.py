"""Adds up a pytest report: prints "PASSED FAILED" and appends what was skipped, and why, to a file."""

import os
import sys
import xml.etree.ElementTree as xml


def main(report, label, skipped_path):
    if not os.path.exists(report):
        return 1
    passed = failed = 0
    skipped = []
    for case in xml.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            reason = case.find("skipped").get("message", "")
            if reason == "collection skipped":  # of a whole file; its text says why
                reason = " ".join((case.find("skipped").text or reason).split())
            skipped.append(f"{label}: {case.get('classname')}.{case.get('name')}: {reason}")
        else:
            passed += 1
    with open(skipped_path, "a", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in skipped)
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
