"""put_many: good items are stored, bad ones reported, in the order in which they were given."""

import threading
import time

import psycopg
import pytest

from tests.support.refusals import BAD_FACT, FOREIGN_TENANT, refusal


def outcomes(rows):
    return [(ref, outcome) for ref, outcome, _ in rows]


def test_bad_items_do_not_stop_good_ones_and_each_is_reported(demo, owner):
    demo.put_category("maths")
    rows = demo.put_many("person", [
        {"ref": "z", "first_name": "Zed", "interests": ["maths"]},
        {"ref": "b", "emial": "x"},
        {"ref": "a", "interests": ["none"]},
        {"first_name": "Peverel"},
        {"ref": ""},
        {"ref": 7},
        {"ref": "z", "first_name": "Ottoline"},
        {"ref": "c", "role": "x"},
        {"ref": "d"},
    ])  # fmt: skip
    assert outcomes(rows) == [
        ("z", "created"), ("b", "refused"), ("a", "refused"), (None, "refused"), (None, "refused"),
        (None, "refused"), ("z", "refused"), ("c", "refused"), ("d", "created"),
    ]  # fmt: skip
    problems = [problem for _, _, problem in rows]
    assert problems[0] is None and problems[8] is None
    assert problems[1] == 'put_person "b": key "emial": unknown key; did you mean "email"?'
    assert problems[2] == 'put_person "a": key "interests": no category has the ref "none"'
    assert problems[3] == 'put_person: key "ref": must be a JSON string'
    assert problems[4] == "put_person: a ref must be given"
    assert problems[6] == "put_person: the ref of an earlier item of this call"
    assert "not available yet" in problems[7]
    stored = owner.execute("select ref, first_name from person order by ref").fetchall()
    assert stored == [("d", None), ("z", "Zed")]
    assert owner.execute("select count(*) from tick").fetchone() == (1,)


def test_an_item_that_is_no_object_is_reported(demo):
    rows = demo.connection.execute(
        """select * from handbell.put_many('demo', 'person', '[3, {"ref": "a"}, null]')"""
    ).fetchall()
    assert outcomes(rows) == [(None, "refused"), ("a", "created"), (None, "refused")]


def test_a_refused_item_leaves_nothing_of_itself(demo, owner):
    """The tutors are looked up after the course's row and categories are there."""
    demo.put_category("maths")
    rows = demo.put_many("course", [{"ref": "c", "categories": ["maths"], "tutors": ["none"]}])
    assert rows[0][1] == "refused"
    for table in ("course", "course_category", "audit"):
        left = owner.execute(f"select count(*) from {table} where tenant_id > 0").fetchone()[0]
        assert left == {"audit": 3}.get(table, 0)  # put_tenant, go_live, put_category


def test_more_items_than_a_chunk_with_some_bad_in_the_middle(demo, owner):
    items = [{"ref": f"p{n:03}", "title": "x" * 60 if n % 70 == 50 else "Ms"} for n in range(350)]
    rows = demo.put_many("person", items)
    assert [outcome for _, outcome, _ in rows] == [
        "refused" if n % 70 == 50 else "created" for n in range(350)
    ]
    assert owner.execute("select count(*) from person").fetchone() == (345,)
    again = demo.put_many("person", items)
    assert {outcome for _, outcome, _ in again} == {"unchanged", "refused"}


def test_every_kind_can_be_put_in_bulk(demo):
    for kind, facts in [
        ("establishment", {"name": "A"}), ("category", {"kind": "subject"}), ("person", {}),
        ("course", {"title": "A"}), ("booking", {"course": "x", "person": "x"}),
    ]:  # fmt: skip
        assert outcomes(demo.put_many(kind, [{"ref": "x", **facts}])) == [("x", "created")]
        assert outcomes(demo.put_many(kind, [{"ref": "x", **facts}])) == [("x", "unchanged")]


def test_an_empty_list_is_fine(demo):
    assert demo.put_many("person", []) == []


@pytest.mark.parametrize(
    "kind, items, words",
    [
        ("tenant", [], "must be establishment"),
        (None, [], "must be establishment"),
        ("person", {}, "a JSON array"),
        ("person", [{}] * 10001, "more than 10000 items"),
    ],
)
def test_a_call_that_is_wrong_as_a_whole_is_refused(demo, kind, items, words):
    code, message = refusal(demo, "put_many", kind, items)
    assert code == BAD_FACT and words in message


def test_another_tenants_login_is_refused(make_login):
    portal = make_login(tenants=["other"])
    with pytest.raises(psycopg.Error) as caught:
        portal.execute("select handbell.put_many('demo', 'person', '[]')")
    assert caught.value.sqlstate == FOREIGN_TENANT


def test_bulk_calls_in_opposite_order_do_not_deadlock(demo, connect):
    """Courses are locked in one order, whatever the order of the items."""
    for ref in ("c1", "c2", "c3"):
        demo.put_course(ref)
    demo.put_person("p")
    errors = []

    def run(step):
        with connect("portal_demo") as connection:
            from tests.support.portal import Portal

            portal = Portal(connection)
            for turn in range(15):
                refs = ["c1", "c2", "c3"][:: 1 if step else -1]
                try:
                    if step:
                        portal.put_many("course", [{"ref": c, "cost": str(turn)} for c in refs])
                    else:
                        portal.put_many("booking", [
                            {"ref": f"b{n}", "course": c, "person": "p", "quiet": True,
                             "status": ["confirmed", "declined"][turn % 2]}
                            for n, c in enumerate(refs)])  # fmt: skip
                except psycopg.Error as error:
                    errors.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_first_load_finds_each_row_by_its_key(demo, owner):
    """Plans made while the tables were empty do not read the tenant's rows again for each row."""
    demo.put_category("maths")
    size = 1500
    demo.put_many("person", [{"ref": f"p{n}", "interests": ["maths"]} for n in range(size)])
    demo.put_many("course", [
        {"ref": f"c{n}", "categories": ["maths"], "starts_at": "2099-03-02T09:30:00Z"}
        for n in range(size)])  # fmt: skip
    demo.put_many("booking", [
        {"ref": f"b{n}", "course": f"c{n}", "person": f"p{n}"} for n in range(size)
    ])  # fmt: skip
    demo.connection.execute("select pg_stat_force_next_flush()")
    rows = owner.execute(
        "select relname, sum(idx_tup_read + seq_tup_read) / %s from pg_stat_user_indexes"
        " join pg_stat_user_tables using (relid, relname)"
        " where relname in ('person', 'course', 'booking') group by relname",
        [size],
    ).fetchall()
    assert len(rows) == 3
    for table, reads in rows:
        assert reads < 50, (table, reads)


def test_the_hint_for_a_misspelt_column_is_found_fast(demo):
    """Each of ten thousand items then looks for the name that was meant."""

    def seconds(facts):
        items = [{"ref": f"p{number}", **facts} for number in range(300)]
        started = time.monotonic()
        outcomes = {outcome for _, outcome, _ in demo.put_many("person", items)}
        assert len(outcomes) == 1
        return time.monotonic() - started

    mistake = min(seconds({"consent_evidence": 9}) for _ in range(3))
    misspelt = min(seconds({"consent_evidense": "form 9"}) for _ in range(3))
    assert misspelt < 14 * mistake
