-- What `handbell status` shows: the queue by lane, rates and trouble, over all tenants. It locks
-- nothing, and every count is bounded: one that reaches status_bound() means "at least so many".

create or replace function status_bound() returns integer
language sql immutable as $$ select 100001 $$;

-- The relays that mail may wait for. 0 is none: its tenant names one that no worker has.
create or replace function status_relays() returns setof smallint
language sql stable as $$
    select r.relay from handbell.relay r union select 0::smallint union select 1::smallint
$$;

-- One lane's due and waiting mails for one relay. As in due_work: one index probe a tenant, and no row is
-- visited that is not counted.
create or replace function lane_status(p_lane smallint, p_relay smallint)
returns table (due integer, waiting integer, oldest_wait_s numeric)
language sql stable security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
    with busy as materialized (
        select t.tenant_id, first.due
        from handbell.tenant t cross join lateral (
            select m.due from handbell.message m
            where m.tenant_id = t.tenant_id and m.lane = p_lane and m.relay = p_relay
              and m.state = 'ready'
            order by m.due limit 1) first
        where t.is_live
    )
    select
        (select count(*) from (
            select from busy b cross join lateral (
                select from handbell.message m
                where m.tenant_id = b.tenant_id and m.lane = p_lane and m.relay = p_relay
                  and m.state = 'ready' and m.due <= now()
                limit handbell.status_bound()) one
            where b.due <= now() limit handbell.status_bound()) d)::integer,
        (select count(*) from (
            select from busy b cross join lateral (
                select from handbell.message m
                where m.tenant_id = b.tenant_id and m.lane = p_lane and m.relay = p_relay
                  and m.state = 'ready' and m.due > now()
                limit handbell.status_bound()) one
            limit handbell.status_bound()) w)::integer,
        (select round(extract(epoch from now() - min(b.due)), 1) from busy b where b.due <= now())
$$;

-- The same for every lane and relay, counted once for both lists.
create or replace function queue_counts() returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select jsonb_agg(jsonb_build_object('lane', l.lane, 'relay', r.relay, 'due', s.due,
                                        'waiting', s.waiting, 'oldest_wait_s', s.oldest_wait_s))
    from generate_series(1, 6) l (lane) cross join handbell.status_relays() r (relay)
    cross join lateral handbell.lane_status(l.lane::smallint, r.relay) s
$$;

create or replace function lanes_status(p_counts jsonb) returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select jsonb_agg(s.row order by s.lane)
    from (select l.lane, jsonb_build_object('lane', l.name, 'due', sum(c.due), 'waiting', sum(c.waiting),
                                            'oldest_wait_s', max(c.oldest_wait_s)) as row
          from (values (1, 'urgent'), (2, 'account'), (3, 'service'), (4, 'tutor'), (5, 'alert'),
                       (6, 'bulletin')) l (lane, name)
          join jsonb_to_recordset(p_counts)
              as c (lane integer, due bigint, waiting bigint, oldest_wait_s numeric) on c.lane = l.lane
          group by l.lane, l.name) s
$$;

-- Each relay: what workers say of it, what waits for it, and how much of its limits is used (with what
-- was allowed and not used). Rate and sessions are those of all living workers together.
create or replace function relays_status(p_counts jsonb) returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    with waits as materialized (
        select c.relay, sum(c.due) as due
        from jsonb_to_recordset(p_counts) as c (relay smallint, due bigint) group by c.relay
    )
    select coalesce(jsonb_agg(jsonb_build_object('relay', x.relay, 'name', x.name, 'state', x.state,
        'since_s', round(extract(epoch from now() - x.since)), 'weight', x.weight,
        'rate', w.rate, 'sessions', w.sessions, 'due', x.due,
        'minute', jsonb_build_object('used', m.urgent + m.bulk, 'limit', nullif(x.per_minute, 0)),
        'day', jsonb_build_object('used', d.urgent + d.bulk, 'limit', nullif(x.per_day, 0)))
        order by x.relay), '[]')
    from (select r.*, n.due from handbell.relay r join waits n using (relay)
          union all
          select 0::smallint, '', 0, 0, 0, 0, 'unknown', now(), n.due from waits n
          where n.relay = 0 and n.due > 0) x
    cross join lateral (
        select coalesce(sum(v.rate), 0) as rate, coalesce(sum(v.sessions), 0) as sessions
        from handbell.worker_relay v
        where v.relay = x.relay and v.said_at > now() - handbell.relay_patience()) w
    cross join lateral handbell.relay_used(x.relay, 'minute', interval '0') m
    cross join lateral handbell.relay_used(x.relay, 'day', interval '0') d
$$;

-- How many mails ended in that state within that time. The partitions are found by the time, the rows
-- by a BRIN index, which costs storing them next to nothing.
create or replace function ended_within(p_state text, p_time interval) returns integer
language plpgsql stable security definer
set search_path = handbell, pg_temp set enable_seqscan = off as $$
declare
    v_since timestamptz := now() - p_time;
    v_count integer;
begin
    select count(*) into v_count from (
        select from message_record r where r.ended_at > v_since and r.state = p_state
        limit status_bound()) s;
    return v_count;
end $$;

-- A worker is alive while its session holds its lock.
create or replace function workers_status() returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select jsonb_build_object('alive', count(*) filter (where is_alive),
                              'dead', count(*) filter (where not is_alive))
    from (
        select exists (
            select from pg_locks l
            where l.locktype = 'advisory' and l.granted and l.objsubid = 1
              and l.database = (select oid from pg_database where datname = current_database())
              and ((l.classid::bigint << 32) | l.objid::bigint) = w.lock_key) as is_alive
        from handbell.worker w) x
$$;

-- The longest held snapshot: while it lasts no dead row can be cleared, and claiming slows down. Other
-- logins' sessions show only to a member of pg_read_all_stats.
create or replace function snapshot_status() returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select jsonb_build_object(
        'oldest_s', coalesce(round(extract(epoch from
            max(clock_timestamp() - a.xact_start) filter (where a.backend_xmin is not null)), 1), 0),
        'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'usage'))
    from pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid()
$$;

-- Jobs that the brake holds, urgent ones first and then the oldest: they wait for release(). Where there are
-- more than fifty, tenants take turns: one's three hundred courses must not hide another's one.
create or replace function held_jobs() returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(jsonb_agg(jsonb_build_object('tenant', s.slug, 'job', h.job_id, 'kind', h.kind,
        'recipients', h.recipients, 'held_s', round(extract(epoch from now() - h.created_at)))
        order by h.is_urgent desc, h.created_at, h.tenant_id, h.job_id), '[]')
    from (select j.tenant_id, j.job_id, j.kind, j.recipients, j.created_at, u.is_urgent
          from handbell.job j join handbell.kind k using (kind)
          cross join lateral (select k.lane = 1 or j.is_urgent as is_urgent) u
          where j.state = 'held'
          order by row_number() over (partition by j.tenant_id
                                      order by u.is_urgent desc, j.created_at, j.job_id),
                   u.is_urgent desc, j.created_at
          limit 50) h
    join handbell.tenant_slug s on s.tenant_id = h.tenant_id
$$;

create or replace function held_count() returns integer
language sql stable security definer set search_path = handbell, pg_temp as $$
    select count(*)::integer from (
        select from handbell.job j where j.state = 'held' limit handbell.status_bound()) h
$$;

create or replace function queue_status() returns jsonb
language sql stable security definer set search_path = handbell, pg_temp as $$
    with counted as materialized (select handbell.queue_counts() as counts)
    select jsonb_build_object(
        'at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'bound', handbell.status_bound(),
        'tenants', (select jsonb_build_object('live', count(*) filter (where t.is_live),
                                              'loading', count(*) filter (where not t.is_live))
                    from handbell.tenant t),
        'lanes', handbell.lanes_status(c.counts),
        'relays', handbell.relays_status(c.counts),
        'in_flight', (
            select jsonb_build_object('claimed', count(*) filter (where f.state = 'claimed'),
                                      'transmitting', count(*) filter (where f.state <> 'claimed'))
            from (select m.state from handbell.message m
                  where m.state in ('claimed', 'transmitting')
                  limit handbell.status_bound()) f),
        'sent_last_minute', handbell.ended_within('sent', '1 min'),
        'sent_last_hour', handbell.ended_within('sent', '1 h'),
        'failed_last_day', handbell.ended_within('failed', '1 day'),
        'uncertain_last_day', handbell.ended_within('uncertain', '1 day'),
        'held', handbell.held_count(),
        'held_jobs', handbell.held_jobs(),
        'workers', handbell.workers_status(),
        'snapshot', handbell.snapshot_status())
    from counted c
$$;

-- The tenants that this login may act for, and which other logins may: for `handbell tenant list`.
create or replace function tenant_list()
returns table (slug text, name text, is_live boolean, logins text)
language sql stable security definer set search_path = handbell, pg_temp as $$
    select s.slug, t.name, coalesce(t.is_live, false),
           (select string_agg(l.login::text, ', ' order by l.login)
            from handbell.login_tenant l where l.slug = s.slug)
    from (select x.slug, x.tenant_id from handbell.tenant_slug x
          where x.tenant_id in (select handbell.my_tenants())
          union all
          -- granted before the tenant itself was stated
          select distinct l.slug, null::bigint from handbell.login_tenant l
          where not exists (select from handbell.tenant_slug x where x.slug = l.slug)
            and pg_has_role(session_user,
                (select n.nspowner from pg_namespace n where n.nspname = 'handbell'), 'member')) s
    left join handbell.tenant t on t.tenant_id = s.tenant_id
    order by s.slug
$$;
