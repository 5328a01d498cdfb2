-- Recording what became of an attempt.

-- Where a message goes from an attempt. A notice whose end is in doubt goes again, but three times at
-- most: a relay that always falls silent after the data would else be sent it for days. Where it was
-- the worker that ended ('interrupted') nothing is known of the relay, and most had not begun: ten
-- times, lest a mail that ends every worker go round for ever.
create or replace function next_state(
    p_outcome text, p_on_uncertain text, p_doubts integer, p_has_time boolean)
returns text
language sql immutable as $$
    select case p_outcome
        when 'sent' then 'sent'
        when 'refused' then 'failed'
        when 'unsent' then 'ready'
        when 'deferred' then case when p_has_time then 'ready' else 'failed' end
        else case when p_on_uncertain = 'again' and p_has_time
                   and p_doubts < case p_outcome when 'uncertain' then 3 when 'interrupted' then 10 end
                  then 'ready' else 'uncertain' end
        end
$$;

-- When a mail that has to wait so long is tried again; null: it has no time left. A wait that would
-- outlast it is cut short: it has one more chance a minute before its end.
create or replace function retry_due(p_now timestamptz, p_wait_s integer, p_expires_at timestamptz)
returns timestamptz
language sql stable as $$ -- as stable as a sum of dates is: else it would not be put in line
    select case
        when p_now + make_interval(secs => p_wait_s) < p_expires_at
            then p_now + make_interval(secs => p_wait_s)
        when p_now + interval '2 min' < p_expires_at then p_expires_at - interval '1 min'
        end
$$;

-- Idempotent by epoch: a repeated or late call answers 'stale' and changes nothing, but for one case:
-- an outcome that arrives after a take-over had to call the message uncertain settles it. (The epoch is
-- asked twice: the row may have been claimed anew while this waited for it.) Who may tell of an attempt
-- made before a fail-over says when the message was made (made_unix): its id may be another's by now.
create or replace function record(
    p_tenant bigint, p_owner uuid, p_ids bigint[], p_epochs integer[], p_outcomes text[],
    p_codes integer[], p_enhanced text[], p_words text[], p_retry_after_s integer[],
    p_created bigint[] default null)
returns table (message_id bigint, state text)
language plpgsql security definer set search_path = handbell, pg_temp
set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan
set lock_timeout = '500ms' as $$ -- see claim()
declare
    v_now timestamptz := clock_timestamp();
begin
    if 'interrupted' = any (p_outcomes) then
        perform keep_doubts(p_tenant, p_owner, p_ids, p_epochs, p_outcomes);
    end if;
    return query
    with told as (
        select * from unnest(p_ids, p_epochs, p_outcomes, p_codes, p_enhanced, p_words, p_retry_after_s,
            p_created) as u (message_id, epoch, outcome, code, enhanced, words, retry_after_s, created)
    ), judged as (
        select m.message_id, m.epoch, u.outcome, u.code, u.enhanced, u.words, u.retry_after_s,
               next_state(u.outcome, k.on_uncertain, m.doubts, d.due is not null) as next, d.due
        from told u
        cross join lateral (select * from message x -- OFFSET 0: see look_at
            where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
        join kind k on k.kind = m.kind
        cross join lateral retry_due(v_now, u.retry_after_s, m.expires_at) d (due)
        where m.epoch = u.epoch and m.owner = p_owner and m.state in ('claimed', 'transmitting')
          and (u.created is null or made_unix(m.created_at) = u.created)
    ), back as (
        update message m
        set state = 'ready', owner = null, claimed_at = null,
            due = case when j.outcome = 'unsent' and j.retry_after_s = 0 then m.due
                       else coalesce(j.due, m.expires_at) end,
            attempts = least(m.attempts + (j.outcome <> 'unsent')::integer, 32767),
            doubts = m.doubts + (j.outcome in ('uncertain', 'interrupted'))::integer,
            last_code = coalesce(j.code, m.last_code), last_text = coalesce(j.words, m.last_text)
        from judged j
        where m.tenant_id = p_tenant and m.message_id = j.message_id and m.epoch = j.epoch
          and j.next = 'ready' and m.state <> 'ready' -- the same outcome, told twice at once
    ), gone as (
        delete from message m using judged j
        where m.tenant_id = p_tenant and m.message_id = j.message_id and m.epoch = j.epoch
          and j.next <> 'ready'
        returning m.*, j.next, j.outcome, j.code, j.enhanced, j.words
    ), kept as (
        insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id, epoch,
            created_at, expires_at, lane, relay, attempts, state, kind, reason, code, enhanced, words)
        select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id, g.epoch,
               g.created_at, case when g.next <> 'sent' then g.expires_at end, g.lane, g.relay,
               least(g.attempts + 1, 32767), g.next, g.kind,
               case when g.outcome = 'deferred' then 'expired' end,
               nullif(g.code, 0), nullif(g.enhanced, ''), nullif(g.words, '') from gone g
    ), settled as (
        update message_record r
        set state = case u.outcome when 'sent' then 'sent' else 'failed' end,
            code = nullif(u.code, 0), enhanced = nullif(u.enhanced, ''), words = nullif(u.words, '')
        from (select t.* from told t left join judged j on j.message_id = t.message_id
              where j.message_id is null and t.outcome in ('sent', 'refused') offset 0) u
        where r.tenant_id = p_tenant and r.message_id = u.message_id and r.epoch = u.epoch
          and r.state = 'uncertain' and (u.created is null or made_unix(r.created_at) = u.created)
        returning r.message_id, r.state
    )
    select u.message_id, coalesce(j.next, s.state, 'stale')
    from told u
    left join judged j on j.message_id = u.message_id
    left join settled s on s.message_id = u.message_id;
end $$;
