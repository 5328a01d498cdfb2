"""The record's partitions, a month each: made ahead, waiting for nobody, and missed by no mail."""

import datetime
import uuid

from tests.support.schema import OWNER, WORKER


def months(owner):
    rows = owner.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'message_record'::regclass order by 1").fetchall()  # fmt: skip
    return [row[0].removeprefix("message_record_") for row in rows]


def month_ahead(count):
    today = datetime.datetime.now(datetime.UTC)
    number = today.year * 12 + today.month - 1 + count
    return datetime.datetime(number // 12, number % 12 + 1, 1, tzinfo=datetime.UTC)


def end_in(owner, moment, number):
    owner.execute(
        """insert into message_record (tenant_id, message_id, ended_at, created_at, epoch, lane, relay,
               attempts, state, kind)
           select tenant_id, %s, %s, now(), 1, 3, 1, 1, 'sent', 'reminder' from tenant""",
        [number, moment])  # fmt: skip


def where_it_is(owner, number):
    (name,) = owner.execute("select tableoid::regclass::text from message_record"
                            " where message_id = %s", [number]).fetchone()  # fmt: skip
    return name.removeprefix("message_record_")


def test_this_month_and_three_more_are_there_past_the_year_s_end(demo, owner, connect):
    connect(WORKER).execute("select housekeep()")
    ahead = [month_ahead(count) for count in range(4)]
    assert months(owner) == [*(moment.strftime("%Y_%m") for moment in ahead), "other"]
    for number, moment in enumerate(ahead, 1):
        end_in(owner, moment, number)
        end_in(owner, moment - datetime.timedelta(microseconds=1), 10 + number)
    assert [where_it_is(owner, number) for number in (1, 2, 3, 4)] == months(owner)[:4]
    assert [where_it_is(owner, number) for number in (12, 13, 14)] == months(owner)[:3]
    assert where_it_is(owner, 11) == "other", "a month that is gone"


def test_a_mail_that_ends_in_a_month_that_is_not_there_is_kept_and_hinders_nothing(
    demo, owner, connect
):
    end_in(owner, month_ahead(1) + datetime.timedelta(days=3), 1)
    end_in(owner, month_ahead(30), 2)
    worker = connect(WORKER)
    for _ in range(2):
        worker.execute("select housekeep()")
    assert months(owner) == [*(month_ahead(count).strftime("%Y_%m") for count in (0, 2, 3)), "other"]
    end_in(owner, month_ahead(1) + datetime.timedelta(days=4), 3)
    assert {where_it_is(owner, number) for number in (1, 2, 3)} == {"other"}


def test_behind_a_reader_of_the_record_all_else_is_done_and_the_months_come_later(
    demo, owner, connect
):
    """As while a backup is made, which may take hours: no mail waits for it."""
    owner.execute("insert into worker (owner, lock_key, dead_since)"
                  " values (%s, 1, now() - interval '61 days')", [uuid.uuid4()])  # fmt: skip
    reader = connect(OWNER, autocommit=False)
    reader.execute("select count(*) from message_record")
    worker = connect(WORKER)
    worker.execute("set statement_timeout = '5s'")
    worker.execute("select housekeep()")
    assert months(owner) == ["other"]
    assert owner.execute("select count(*) from worker").fetchone() == (0,)
    reader.commit()
    worker.execute("select housekeep()")
    assert len(months(owner)) == 5
