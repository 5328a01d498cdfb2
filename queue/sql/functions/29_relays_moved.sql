-- Fail-over: how mail that waits for a relay that is away goes through another, and comes back. A relay
-- with limits is given what these leave, portion by portion; urgent and account mail is what is called
-- urgent here.

-- Where the message of a tenant that names no relay would go were all relays up. What was moved is known
-- by it, and finds its way back.
create or replace function relay_home_wheel() returns smallint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    select array_agg(x.relay order by x.place, x.relay)
    from (select r.relay, (k.n - 0.5) / r.weight as place
          from relay r cross join lateral generate_series(1, r.weight) as k (n)
          where r.state <> 'gone') x
$$;

-- How many more mails may be moved to a relay: what its limits leave now. Urgent mail may use the share
-- that is kept for it. Null: it has no limit. What was moved in the last minute and is not sent yet is as
-- good as sent.
create or replace function relay_room(p_relay smallint, p_is_urgent boolean) returns bigint
language sql stable security definer set search_path = handbell, pg_temp as $$
    select case when count(*) > 0 then
               greatest(0, least(min(s.most - c.urgent - c.bulk),
                                 min(case when not p_is_urgent then s.most - s.reserve - c.bulk end))) end
    from relay r
    cross join lateral relay_used(r.relay, 'minute', interval '0') n
    cross join lateral (
        select greatest(0, coalesce(sum(u.urgent), 0) - n.urgent) as urgent,
               greatest(0, coalesce(sum(u.bulk), 0) - n.bulk) as bulk
        from relay_use u
        where u.relay = r.relay and u.span = 'moved' and u.at > clock_timestamp() - interval '61 s') m
    cross join lateral (
        select l.span, l.most, least(ceil(l.most * r.urgent_share / 100.0), l.most - 1)::bigint as reserve
        from (values ('minute', r.per_minute), ('day', r.per_day)) l (span, most)) s
    cross join lateral relay_used(r.relay, s.span, interval '0') u
    cross join lateral (select u.urgent + m.urgent as urgent, u.bulk + m.bulk as bulk) c
    where r.relay = p_relay and s.most > 0
$$;

-- Whether anything that is due waits for the relay, urgent or not.
create or replace function relay_has_waiting(p_relay smallint, p_is_urgent boolean) returns boolean
language plpgsql stable security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
begin
    return exists (
        select from tenant t
        cross join lateral unnest(lanes_of(p_is_urgent)) as l (lane)
        cross join lateral (
            select from message m
            where m.tenant_id = t.tenant_id and m.lane = l.lane and m.relay = p_relay
              and m.state = 'ready' and m.due <= now()
            order by m.due limit 1) one
        where t.is_live);
end $$;

create or replace function lanes_of(p_is_urgent boolean) returns smallint[]
language sql immutable as $$ select case when p_is_urgent then '{1,2}' else '{3,4,5,6}' end::smallint[] $$;

-- Of the relays of tenants that name none, those that can take mail from one that is away: without limits,
-- or with what these leave when nothing waits there any more.
create or replace function relays_with_room(p_is_urgent boolean) returns smallint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(array_agg(r.relay), '{}')
    from relay r cross join lateral relay_room(r.relay, p_is_urgent) as room
    where r.state = 'up' and r.relay = any (relay_wheel(0))
      and case when room is null then true when room = 0 then false
          else not relay_has_waiting(r.relay, p_is_urgent) end
$$;

-- Those that are up and have more to do than their limits let them just now.
create or replace function relays_crowded(p_is_urgent boolean) returns smallint[]
language sql stable security definer set search_path = handbell, pg_temp as $$
    select coalesce(array_agg(r.relay), '{}')
    from relay r
    where r.state = 'up' and relay_room(r.relay, p_is_urgent) = 0
      and relay_has_waiting(r.relay, p_is_urgent)
$$;

-- Whose due mail waits for a relay that it should not wait for: one that is away while another that the
-- tenant may use has room; one that the tenant may not use (any more); or a crowded one, while the relay
-- that it was moved from is up again. The latter two are rare, and looked for now and then:
-- p_is_thorough. What is urgent comes first, and no tenant always does.
create or replace function misplaced(p_limit integer, p_is_thorough boolean default true)
returns table (tenant_id bigint, relay smallint, is_urgent boolean)
language plpgsql stable security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
declare
    v_up smallint[] := array(select r.relay from relay r where r.state = 'up');
    v_all smallint[] := array(select r.relay from relay r where p_is_thorough or r.state <> 'up'
                              union select n from generate_series(0, 1) n where p_is_thorough);
    v_shared smallint[] := relay_wheel(0); -- of tenants that name none
    v_home smallint[] := relay_home_wheel();
    v_is_urgent boolean;
    v_room smallint[];
    v_wrong smallint[];
    v_crowded smallint[];
begin
    if v_all = '{}' then
        return;
    end if;
    foreach v_is_urgent in array '{true,false}'::boolean[] loop
        v_room := relays_with_room(v_is_urgent);
        v_wrong := array(select n from unnest(v_all) n where n <> all (v_shared)
                         and (n = any (v_up) or v_room <> '{}'));
        v_crowded := case when p_is_thorough then relays_crowded(v_is_urgent) else '{}' end;
        return query
        select t.tenant_id, n.relay, v_is_urgent
        from tenant t
        cross join lateral unnest(case when t.relay is null then v_wrong || v_crowded
            else array(select a from unnest(v_all) a where a <> all (relay_wheel(t.tenant_id))) end)
            as n (relay)
        where t.is_live and exists (
            select from unnest(lanes_of(v_is_urgent)) l (lane)
            cross join lateral (
                select from message m
                where m.tenant_id = t.tenant_id and m.lane = l.lane and m.relay = n.relay
                  and m.state = 'ready' and m.due <= now() + interval '10 s'
                  and (t.relay is not null or n.relay <> all (v_crowded)
                       or relay_of(v_home, m.message_id) = any (array_remove(v_up, n.relay)))
                order by m.due limit 1) one) -- ordered, for that keeps it to its index
        order by random()
        limit p_limit;
    end loop;
end $$;

-- Moves up to p_limit of the tenant's messages that are due from that relay to those it may use, urgent
-- or not (null: both). True: there may be more. Nothing waits for a lock on a message, and what is not due
-- yet is left: the relay may be back by then.
create or replace function move_messages(
    p_tenant bigint, p_relay smallint, p_limit integer, p_is_urgent boolean default null)
returns boolean
language plpgsql security definer set search_path = handbell, pg_temp set lock_timeout = '500ms' as $$
declare
    v_wheel smallint[] := relay_wheel(p_tenant);
    v_has_own boolean := (select t.relay is not null from tenant t where t.tenant_id = p_tenant);
    v_is_up boolean := exists (select from relay r where r.relay = p_relay and r.state = 'up');
    v_is_urgent boolean;
    v_moved integer := 0;
begin
    if p_relay = any (v_wheel) and (v_has_own or not v_is_up) then
        return false;
    end if;
    -- Workers and tenants that move mail to relays with limits take turns.
    perform from relay r where r.relay = any (v_wheel) and r.per_minute + r.per_day > 0
        order by r.relay for no key update;
    foreach v_is_urgent in array
        case when p_is_urgent is null then array[true, false] else array[p_is_urgent] end loop
        v_moved := v_moved + case
            when p_relay = any (v_wheel) then
                move_home(p_tenant, p_relay, p_limit - v_moved, v_is_urgent)
            else move_away(p_tenant, p_relay, p_limit - v_moved, v_is_urgent, v_wheel,
                           not v_has_own and not v_is_up) end;
    end loop;
    if v_moved > 0 then
        perform wake(now());
    end if;
    -- What one relay of several had no room for another may have.
    return v_moved > 0 and (v_moved = p_limit or array_length(v_wheel, 1) > 1);
end $$;

-- The tenant's due mail of one relay, what is more urgent first and then the oldest: locked. Where p_homes
-- is given, what was moved here from one of those.
create or replace function mail_to_move(
    p_tenant bigint, p_relay smallint, p_limit bigint, p_is_urgent boolean,
    p_homes smallint[] default null)
returns bigint[]
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
declare
    v_home smallint[] := relay_home_wheel();
    v_ids bigint[] := '{}';
    v_lane smallint;
begin
    foreach v_lane in array lanes_of(p_is_urgent) loop
        v_ids := v_ids || array(select m.message_id from message m
            where m.tenant_id = p_tenant and m.lane = v_lane and m.relay = p_relay
              and m.state = 'ready' and m.due <= now() + interval '10 s'
              and (p_homes is null or relay_of(v_home, m.message_id) = any (p_homes))
            order by m.due, m.message_id limit p_limit - cardinality(v_ids) for update skip locked);
    end loop;
    return v_ids;
end $$;

-- To the relays of the wheel: with limits no more than these leave now, where p_is_bounded. How many.
create or replace function move_away(
    p_tenant bigint, p_relay smallint, p_limit integer, p_is_urgent boolean, p_wheel smallint[],
    p_is_bounded boolean)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
    v_relays smallint[] := array(select distinct unnest(p_wheel));
    v_rooms bigint[] := array(select case when p_is_bounded then relay_room(n, p_is_urgent) end
                              from unnest(v_relays) with ordinality x (n, place) order by place);
    v_open smallint[] := array(select w.relay
        from unnest(p_wheel) with ordinality w (relay, place)
        join unnest(v_relays, v_rooms) r (relay, room) using (relay)
        where (r.room is null or r.room > 0)
          and (not p_is_bounded or w.relay in (select u.relay from relay u where u.state = 'up'))
        order by w.place);
    v_is_open_ended boolean := v_relays[array_position(v_rooms, null)] = any (v_open);
    v_ids bigint[];
    v_moved integer;
begin
    v_ids := case when v_open = '{}' then '{}' else mail_to_move(p_tenant, p_relay,
        case when v_is_open_ended then p_limit
        else least(p_limit, (select sum(n)::bigint from unnest(v_rooms) n)) end, p_is_urgent) end;
    with picked as (
        select x.id, o.relay,
               row_number() over (partition by o.relay order by x.place) as place
        from unnest(v_ids) with ordinality x (id, place)
        cross join lateral relay_of(v_open, x.id) as o (relay)
    ), moved as (
        update message m set relay = p.relay
        from picked p join unnest(v_relays, v_rooms) r (relay, room) using (relay)
        where m.tenant_id = p_tenant and m.message_id = p.id and (r.room is null or p.place <= r.room)
        returning p.relay, r.room
    ), counted as (
        insert into relay_use as u (relay, span, at, urgent, bulk)
        select m.relay, 'moved', date_trunc('second', clock_timestamp()),
               case when p_is_urgent then count(*) else 0 end,
               case when p_is_urgent then 0 else count(*) end
        from moved m where m.room is not null group by m.relay
        on conflict (relay, span, at) do update
            set urgent = u.urgent + excluded.urgent, bulk = u.bulk + excluded.bulk
    )
    select count(*) into v_moved from moved;
    return v_moved;
end $$;

-- From a crowded relay to those that are up again and that it was moved from. How many.
create or replace function move_home(
    p_tenant bigint, p_relay smallint, p_limit integer, p_is_urgent boolean)
returns integer
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off as $$
declare
    v_home smallint[] := relay_home_wheel();
    v_homes smallint[] := array(select r.relay from relay r where r.state = 'up' and r.relay <> p_relay);
    v_ids bigint[];
begin
    if relay_room(p_relay, p_is_urgent) > 0 or relay_room(p_relay, p_is_urgent) is null then
        return 0;
    end if;
    v_ids := mail_to_move(p_tenant, p_relay, p_limit, p_is_urgent, v_homes);
    update message m set relay = relay_of(v_home, m.message_id)
        where m.tenant_id = p_tenant and m.message_id = any (v_ids);
    return cardinality(v_ids);
end $$;
