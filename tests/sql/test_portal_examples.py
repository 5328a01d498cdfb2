"""docs/portal.md is true: its examples run in order, and its tables of keys are the contract's."""

import re

import psycopg

from tests.support import contract_table
from tests.support.process import ROOT

PAGE = (ROOT / "docs/portal.md").read_text()
HEADINGS = {
    "tenant": "put_tenant(tenant, facts)", "session": "A session", "resource": "A resource",
    "brand": "A brand", "logo": "A logo",
    "rules": "A tenant's rules", "course rules": "A course's rules", "window": "A window",
    "retention": "A tenant's retention",
}  # fmt: skip


def statements():
    """[(statement, what it is said to answer, or None)]"""
    found = []
    for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("-- => "):
                found[-1][1] = line.removeprefix("-- => ")
            else:
                found.append([line.rstrip(";"), None])
    return found


def answer(portal, statement):
    try:
        row = portal.execute(statement).fetchone()
    except psycopg.Error as error:
        return f"error {error.sqlstate}: {error.diag.message_primary}"
    if row is None:
        return None
    return str(row[0]).lower() if isinstance(row[0], bool) else str(row[0])


def test_the_examples_run_in_order_and_answer_what_the_page_says(portal):
    found = statements()
    assert len(found) > 25 and sum(said is not None for _, said in found) > 20
    for statement, said in found:
        seen = answer(portal, statement)
        assert seen == said if said else not str(seen).startswith("error"), (statement, seen)


def test_the_five_lines_queue_a_mail(portal):
    for statement, _ in statements()[:5]:
        portal.execute(statement)
    rows = portal.execute("select kind, person, state from message_report").fetchall()
    assert rows == [("booking_confirmed", "p17", "ready")]


def test_the_readme_s_five_lines_imply_an_alert_after_ten_minutes(portal, owner):
    text = (ROOT / "README.md").read_text()
    lines = re.search(r"```sql\n(.*?)```", text, re.DOTALL).group(1).splitlines()
    assert len(lines) == 5
    for line in lines:
        portal.execute(line.rstrip(";"))
    while owner.execute("select fan_out(tenant_id, 1000) from tenant").fetchone()[0]:
        pass
    rows = owner.execute(
        "select kind, due - created_at < '601 s' and due - created_at > '599 s' from message"
    ).fetchall()
    assert rows == [("course_alert", True)]


def test_the_tables_of_keys_are_those_of_the_contract(owner):
    for kind in contract_table.KINDS:
        lines, missing = contract_table.table(owner, kind)
        heading = HEADINGS.get(kind, f"put_{kind}(tenant, ref, facts)")
        section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
        assert [line for line in section.splitlines() if line.startswith("|")] == lines, kind
        named = section.partition("Not available yet: ")[2]
        assert re.findall(r"`(\w+)`", named) == missing, kind


def test_every_reason_of_a_skip_is_on_the_page():
    sql = "".join(path.read_text() for path in (ROOT / "queue/sql/functions").glob("*.sql"))
    mark = (ROOT / "queue/sql/functions/41_mark.sql").read_text()
    reasons = set(re.findall(r"then '([a-z_]+)'", mark)) - {"go", "infinity"}
    reasons |= set(re.findall(r"revoke_[a-z_]+\([^;']*'([a-z_]+)'\)", sql))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_every_kind_in_the_contract_is_on_the_page(owner):
    rows = owner.execute("select distinct kind from contract_key()").fetchall()
    assert {kind for (kind,) in rows} == set(contract_table.KINDS)


def test_every_function_of_the_contract_is_named_on_the_page(owner):
    rows = owner.execute(
        "select proname from pg_proc where pronamespace = 'handbell'::regnamespace"
        " and has_function_privilege('handbell_portal', oid, 'execute')"
        " and proname not in ('my_tenants', 'tenant_list')"
    ).fetchall()
    assert [name for (name,) in rows if f"{name}" not in PAGE] == []
