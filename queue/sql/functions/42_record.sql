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

-- Ended mails into the queue again, under their own ids; those that were there. An alert tells what is
-- matched for it still. (By LATERAL and by place: statistics lag behind what has just ended, and by stale
-- ones the planner reads all that the tenant has.)
create or replace function put_back(
    p_tenant bigint, p_state text, p_ids bigint[], p_ended_at timestamptz[], p_due timestamptz[])
returns table (message_id bigint, kind text)
language sql as $$
    with found as materialized (
        select r.partition, r.place, u.due
        from unnest(p_ids, p_ended_at, p_due) as u (message_id, ended_at, due)
        cross join lateral (
            select x.tableoid as partition, x.ctid as place, x.state from handbell.message_record x
            where x.tenant_id = p_tenant and x.message_id = u.message_id and x.ended_at = u.ended_at
            offset 0 for update) r
        where r.state = p_state
    ), gone as (
        delete from handbell.message_record r using found f
            where r.tenant_id = p_tenant and r.ctid = f.place and r.tableoid = f.partition
            returning r.*, f.due
    )
    insert into handbell.message (tenant_id, message_id, person_id, establishment_id, job_id, courses,
        due, expires_at, created_at, epoch, lane, relay, attempts, kind, last_code, last_text)
    select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id,
           case when g.kind = 'course_alert' then array(
               select m.course_id
               from unnest(g.courses) as u (course_id)
               cross join lateral (select x.course_id, x.message_id from handbell.match x
                   where x.tenant_id = p_tenant and x.course_id = u.course_id
                     and x.person_id = g.person_id offset 0) m
               where m.message_id = g.message_id order by m.course_id) end,
           g.due, coalesce(g.expires_at, g.created_at + k.expires_after), g.created_at, g.epoch, g.lane,
           g.relay, g.attempts, g.kind, g.code, g.words
    from gone g
    join handbell.kind k on k.kind = g.kind
    returning message.message_id, message.kind
$$;

-- What a worker knows of attempts that are its own no longer: others took it for dead, guessed how they
-- ended, and may have claimed the mail since. Its word wins over a guess; what the operator put back, or a
-- worker has on the wire again, goes its own way. Told are those without a state in p_states.
create or replace function record_late(
    p_tenant bigint, p_ids bigint[], p_epochs integer[], p_outcomes text[], p_codes integer[],
    p_enhanced text[], p_words text[], p_retry_after_s integer[], p_created bigint[], p_states text[])
returns table (message_id bigint, created bigint, state text)
language plpgsql as $$
declare
    w late_word;
begin
    for w in
        select u.message_id, u.epoch, u.outcome, nullif(u.code, 0), nullif(u.enhanced, ''),
               nullif(u.words, ''), u.retry_after_s, u.created
        from unnest(p_ids, p_epochs, p_outcomes, p_codes, p_enhanced, p_words, p_retry_after_s, p_created,
            p_states) as u (message_id, epoch, outcome, code, enhanced, words, retry_after_s, created,
            state)
        where u.state is null and u.created is not null
          and u.outcome in ('sent', 'refused', 'deferred', 'unsent')
        order by u.message_id, u.created
    loop
        message_id := w.message_id;
        created := w.created;
        state := coalesce(late_waiting(p_tenant, w), late_ended(p_tenant, w));
        if state is not null then
            return next;
        end if;
    end loop;
end $$;

-- Of a mail that is to go again. Sent is sent, unless it is on the wire just now. Refused it has failed,
-- where it waits because others gave it up in doubt: what the operator put back has no doubts.
create or replace function late_waiting(p_tenant bigint, w late_word) returns text
language plpgsql as $$
declare
    m message;
begin
    if w.outcome not in ('sent', 'refused') then
        return null;
    end if;
    delete from message x
        where x.tenant_id = p_tenant and x.message_id = w.message_id
          and made_unix(x.created_at) = w.created
          and (w.outcome = 'sent' and x.state <> 'transmitting'
               or w.outcome = 'refused' and x.state = 'ready' and x.epoch = w.epoch and x.doubts > 0)
        returning x.* into m;
    if not found then
        return null;
    end if;
    insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id, epoch,
        created_at, expires_at, lane, relay, attempts, state, kind, courses, code, enhanced, words)
        values (m.tenant_id, m.message_id, m.person_id, m.establishment_id, m.job_id, m.epoch,
            m.created_at, case when w.outcome <> 'sent' then m.expires_at end, m.lane, m.relay,
            m.attempts, case w.outcome when 'sent' then 'sent' else 'failed' end, m.kind,
            case when w.outcome <> 'sent' then m.courses end, w.code, w.enhanced, w.words);
    return case w.outcome when 'sent' then 'sent' else 'failed' end;
end $$;

-- Of one that has ended. Sent is sent, whatever it was called. Where it was called uncertain: refused it
-- has failed, and what certainly did not arrive goes again while it has time.
create or replace function late_ended(p_tenant bigint, w late_word) returns text
language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_due timestamptz;
    v_state text;
    r message_record;
begin
    select * into r from message_record x
        where x.tenant_id = p_tenant and x.message_id = w.message_id
          and made_unix(x.created_at) = w.created
        for update;
    if r.state is null or r.state = 'sent' then
        return null;
    elsif w.outcome = 'sent' then
        v_state := 'sent';
    elsif r.state <> 'uncertain' or r.epoch > w.epoch then
        return null;
    elsif w.outcome = 'refused' then
        v_state := 'failed';
    elsif r.epoch < w.epoch or r.expires_at is null then
        return null;
    else
        v_due := retry_due(v_now, w.retry_after_s, r.expires_at);
        if v_due is not null then
            perform put_back(p_tenant, 'uncertain', array[r.message_id], array[r.ended_at], array[v_due]);
            return 'ready';
        end if;
        v_state := case w.outcome when 'deferred' then 'failed' else 'skipped' end;
    end if;
    update message_record x
        set state = v_state, code = w.code, enhanced = w.enhanced, words = w.words,
            reason = case when w.outcome in ('deferred', 'unsent') then 'expired' end,
            expires_at = case when v_state <> 'sent' then x.expires_at end,
            courses = case when v_state <> 'sent' then x.courses end,
            epoch = greatest(x.epoch, w.epoch)
        where x.tenant_id = p_tenant and x.message_id = r.message_id and x.ended_at = r.ended_at;
    return v_state;
end $$;

-- Idempotent by epoch: a repeated call answers 'stale' and changes nothing; one that comes after a
-- take-over had to guess is record_late()'s. (The epoch is asked twice, and only what was done is answered:
-- the row may have been claimed anew, or taken over, while this waited for it.) p_created: when the messages
-- were made (made_unix), for after a fail-over an id may be another's by now. Answers in the order of p_ids.
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
    v_states text[];
begin
    if 'interrupted' = any (p_outcomes) then
        perform keep_doubts(p_tenant, p_owner, p_ids, p_epochs, p_outcomes);
    end if;
    with told as (
        select * from unnest(p_ids, p_epochs, p_outcomes, p_codes, p_enhanced, p_words, p_retry_after_s,
            p_created) with ordinality as u (message_id, epoch, outcome, code, enhanced, words,
            retry_after_s, created, n)
    ), judged as (
        select u.n, m.message_id, m.epoch, u.outcome, u.code, u.enhanced, u.words, u.retry_after_s,
               next_state(u.outcome, k.on_uncertain, m.doubts, d.due is not null) as next, d.due
        from told u
        cross join lateral (select * from message x -- OFFSET 0: see look_at
            where x.tenant_id = p_tenant and x.message_id = u.message_id offset 0) m
        join kind k using (kind) cross join retry_due(v_now, u.retry_after_s, m.expires_at) d (due)
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
          and j.next = 'ready' and m.state <> 'ready' -- it may be told twice at once
        returning j.n, j.next
    ), gone as (
        delete from message m using judged j
        where m.tenant_id = p_tenant and m.message_id = j.message_id and m.epoch = j.epoch
          and j.next <> 'ready'
        returning m.*, j.n, j.next, j.outcome, j.code, j.enhanced, j.words
    ), kept as (
        insert into message_record (tenant_id, message_id, person_id, establishment_id, job_id, epoch,
            created_at, expires_at, courses, lane, relay, attempts, state, kind, reason, code, enhanced,
            words)
        select g.tenant_id, g.message_id, g.person_id, g.establishment_id, g.job_id, g.epoch, g.created_at,
               case when g.next <> 'sent' then g.expires_at end, case when g.next <> 'sent' then g.courses end,
               g.lane, g.relay, least(g.attempts + 1, 32767), g.next, g.kind, case g.outcome when 'deferred'
               then 'expired' end, nullif(g.code, 0), nullif(g.enhanced, ''), nullif(g.words, '') from gone g
    )
    select array_agg(d.next order by u.n) into v_states
        from told u left join (select n, next from back union all select n, next from gone) d using (n);
    if array_position(v_states, null) is null then
        return query select * from unnest(p_ids, v_states);
        return; -- as nearly always
    end if;
    return query
    select u.message_id, coalesce(u.state, l.state, 'stale')
    from unnest(p_ids, v_states, p_created) with ordinality as u (message_id, state, created, n)
    left join record_late(p_tenant, p_ids, p_epochs, p_outcomes, p_codes, p_enhanced, p_words,
        p_retry_after_s, p_created, v_states) l on l.message_id = u.message_id and l.created = u.created
    order by u.n;
end $$;
