-- Workers: who is there, who died, and what they leave behind.

-- Held by each claim and mark until it is committed. Where a worker was killed, or lost its connection,
-- the server may still be at one: whoever registers then looks behind it, or what it takes would be
-- nobody's for as long as the worker lives.
create or replace function calls_key(p_owner uuid) returns bigint
language sql stable as $$ -- in line
    select hashtextextended('handbell calls ' || p_owner, 0)
$$;

-- Puts a worker on the list and takes the lock that says it is alive, for as long as this session lasts.
-- It says where it last saw the database (keep_place(); nulls: nowhere yet), and how far that had its file.
-- Answers
--   refused    another session holds the lock;
--   reconcile  the database has begun a new life, or does not know this worker: before anything else the
--              worker tells what it knows (44_life.sql), and then that it has (worker_reconciled);
--   ready      nothing is in its way.
create or replace function worker_start(
    p_owner uuid, p_system_identifier bigint default null, p_timeline integer default null,
    p_log_position bigint default null, p_kept bigint default null)
returns text
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_key bigint := hashtextextended('handbell worker ' || p_owner, 0);
    v_now timestamptz := now();
    v_life bigint;
    v_known bigint;
begin
    if not exists (select from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid()
                   and l.granted and ((l.classid::bigint << 32) | l.objid::bigint) = v_key
                   and l.objsubid = 1)
       and not pg_try_advisory_lock(v_key) then
        return 'refused';
    elsif not pg_try_advisory_xact_lock(calls_key(p_owner)) then
        raise lock_not_available using message = 'a former call of this worker is still under way';
    end if;
    -- A worker asks for work every minute at least ([worker] poll_ms). One that is stopped (SIGSTOP, a
    -- debugger, a disk that does not answer) has its session ended, and with it the lock.
    perform set_config('idle_session_timeout', '130s', false);
    v_life := life_look(p_owner, p_system_identifier, p_timeline, p_log_position, p_kept);
    insert into worker as w (owner, lock_key) values (p_owner, v_key)
        on conflict (owner) do update set started_at = excluded.started_at,
            seen_at = excluded.seen_at, dead_since = null
        returning w.life into v_known;
    return case when v_known = v_life then 'ready' else 'reconcile' end;
end $$;

-- False: this worker must register anew, for the database has begun another life, or has lost its row.
create or replace function worker_seen(p_owner uuid) returns boolean
language plpgsql security definer set search_path = handbell, pg_temp set synchronous_commit = off as $$
declare
    v_now timestamptz := now();
begin
    update worker set seen_at = v_now
        where owner = p_owner and (seen_at < v_now - interval '1 s' or dead_since is not null);
    return exists (select from worker w join life l on l.number = w.life where w.owner = p_owner);
end $$;

create or replace function in_flight_tenants(p_owner uuid) returns setof bigint
language sql stable security definer set search_path = handbell, pg_temp as $$
    select t.tenant_id from handbell.tenant t
    where exists (select from handbell.message m where m.tenant_id = t.tenant_id
                  and m.owner = p_owner and m.state in ('claimed', 'transmitting'))
$$;

-- The other workers whose lock is free. Their claimed rows are taken at once; what they had on the
-- wire is left to them for the grace period, in which they may come back and say what became of it.
create or replace function dead_workers(p_owner uuid, p_grace interval)
returns table (dead uuid, is_grace_over boolean)
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_now timestamptz := now();
    w worker;
begin
    if not gate_is_open() then
        return; -- who is missing may yet come and tell what became of it
    end if;
    for w in select * from worker where owner <> p_owner order by owner loop
        -- Taking and giving back the lock is the question; no one else's is disturbed by it.
        if not pg_try_advisory_xact_lock(w.lock_key) then
            continue;
        end if;
        if w.dead_since is null then
            update worker set dead_since = v_now where owner = w.owner and dead_since is null;
            w.dead_since := v_now;
        end if;
        dead := w.owner;
        is_grace_over := w.dead_since + p_grace <= v_now;
        return next;
    end loop;
end $$;

-- Nothing is taken from a worker that has come back since somebody saw it dead, and none comes back
-- before this is committed. (The own lock can be taken a second time.)
create or replace function take_over(p_tenant bigint, p_dead uuid, p_transmitting boolean)
returns table (released integer, uncertain integer)
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '1s' as $$
declare
    v_ids bigint[];
begin
    released := 0;
    uncertain := 0;
    if not pg_try_advisory_xact_lock(hashtextextended('handbell worker ' || p_dead, 0)) then
        return next;
        return;
    end if;
    update message m set state = 'ready', owner = null, claimed_at = null
        where m.tenant_id = p_tenant and m.owner = p_dead and m.state = 'claimed';
    get diagnostics released = row_count;
    if p_transmitting then
        v_ids := array(select m.message_id from message m
            where m.tenant_id = p_tenant and m.owner = p_dead and m.state = 'transmitting'
            order by m.message_id for update);
        select count(*) into uncertain
            from record(p_tenant, p_dead, v_ids,
                array(select m.epoch from message m where m.tenant_id = p_tenant
                      and m.message_id = any (v_ids) order by m.message_id),
                array_fill('interrupted'::text, array[cardinality(v_ids)]),
                array_fill(0, array[cardinality(v_ids)]),
                array_fill(''::text, array[cardinality(v_ids)]),
                array_fill('the worker ended while this was on the wire'::text,
                           array[cardinality(v_ids)]),
                array_fill(0, array[cardinality(v_ids)]));
    end if;
    return next;
end $$;

-- The record's partitions for the months to come. A new one locks the default one: waiting for a portal's
-- open transaction, or for a backup, would make every mark and record wait behind. So it waits for nobody,
-- and what is missing is made in an hour: there are three months for it.
create or replace function make_record_months() returns void
language plpgsql as $$
declare
    v_month date;
begin
    for v_ahead in 0 .. 3 loop
        v_month := (date_trunc('month', now() at time zone 'UTC')
                    + make_interval(months => v_ahead))::date;
        if to_regclass(format('handbell.message_record_%s', to_char(v_month, 'YYYY_MM'))) is null
           and not exists (select from message_record_other
                where ended_at >= v_month::timestamp at time zone 'UTC'
                  and ended_at < (v_month + interval '1 month') at time zone 'UTC') then
            execute format(
                'create table handbell.message_record_%s partition of handbell.message_record '
                'for values from (%L) to (%L)', to_char(v_month, 'YYYY_MM'),
                v_month::timestamp at time zone 'UTC',
                (v_month + interval '1 month') at time zone 'UTC');
        end if;
    end loop;
exception when lock_not_available then
    return;
end $$;

-- Once an hour and at every worker's start: the months to come, what is past its time, and workers long dead
-- with nothing left behind.
create or replace function housekeep() returns void
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '50ms' as $$
declare
    v_tenant bigint;
    v_left integer := 10000; -- the rest in an hour
begin
    if not pg_try_advisory_xact_lock(hashtextextended('handbell housekeeping', 0)) then
        return; -- another worker is at it
    end if;
    perform make_record_months();
    perform told_forget();
    if gate_is_open() then -- until then a worker may yet tell that it was sent
        for v_tenant in select t.tenant_id from tenant t order by t.tenant_id loop
            v_left := v_left - end_expired(v_tenant, v_left);
        end loop;
    end if;
    -- By then nothing that its file says can keep a mail from being sent.
    delete from worker w
        where w.dead_since < now() - interval '60 days'
          and not exists (select from in_flight_tenants(w.owner));
end $$;
