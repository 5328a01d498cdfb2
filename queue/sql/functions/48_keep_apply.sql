-- After a restore: what the workers' files say (47_keep.sql) is stored here in batches (keep_apply), then
-- once a tenant brought to the people and courses that are there (keep_resolve). Who is not there comes
-- later, stated by the portal anew: keep_match, keep_greet. All of it may be repeated. Nothing is sent
-- meanwhile (44_life.sql), but the portal may state facts.

-- Lines of one tenant; how many. Of a tenant that is not there they wait until it is.
create or replace function keep_apply(p_slug text, p_lines text[]) returns integer
language plpgsql security definer set search_path = handbell, pg_temp as $$
declare
    v_tenant bigint;
begin
    select t.tenant_id into v_tenant from tenant_slug s join tenant t using (tenant_id)
        where s.slug = p_slug;
    if not found then
        insert into kept_line (slug, line) select distinct p_slug, unnest(p_lines)
            on conflict do nothing;
    else
        perform keep_store(v_tenant, p_lines);
    end if;
    return cardinality(p_lines);
end $$;

create or replace function keep_store(p_tenant bigint, p_lines text[]) returns void
language plpgsql as $$
begin
    perform keep_store_words(p_tenant, p_lines);
    perform keep_store_mails(p_tenant, p_lines);
    insert into kept_name (tenant_id, at, old, new, is_merge)
        select p_tenant, from_unix_us(f[3]::bigint), f[4], f[5], f[6]::boolean
        from (select string_to_array(l, '|') as f from unnest(p_lines) l where l like 'name|%') n
        on conflict (tenant_id, at, old, new) do nothing;
end $$;

create or replace function keep_store_words(p_tenant bigint, p_lines text[]) returns void
language sql as $$
    insert into kept_word (tenant_id, person, number, at, what, topic, how)
    select p_tenant, f[8], f[3]::bigint, from_unix_us(f[4]::bigint), f[5], nullif(f[6], ''),
           nullif(f[7], '')
    from (select string_to_array(l, '|') as f from unnest(p_lines) l where l like 'word|%') w
    on conflict (tenant_id, person, number, at) do nothing
$$;

-- What went out: known again by what it said, and, where the backup has it still queued, by its id and
-- the moment when it was made. (By its id alone it might be another's: sequences begin again, too.)
create or replace function keep_store_mails(p_tenant bigint, p_lines text[]) returns void
language plpgsql as $$
declare
    v_mails jsonb;
begin
    select jsonb_agg(jsonb_build_object('kind', f[3], 'recipient', f[4], 'booking', f[5],
               'message_id', f[6]::bigint, 'created_us', f[7]::bigint, 'told_us', f[8]::bigint,
               'outcome', f[9], 'courses', f[10])) into v_mails
        from (select string_to_array(l, '|') as f from unnest(p_lines) l where l like 'sent|%') w
        where not exists ( -- the backup has it
            select from message_record r
            where r.tenant_id = p_tenant and r.message_id = f[6]::bigint
              and unix_us(r.created_at) = f[7]::bigint and r.state in ('sent', 'uncertain'));
    if v_mails is null then
        return;
    end if;
    insert into told_alert as t (tenant_id, course, person, told_at)
        select p_tenant, split_part(u, '.', 1), m.recipient, max(from_unix_us(m.told_us))
        from keep_mails(v_mails) m cross join lateral unnest(string_to_array(m.courses, ',')) u
        where m.kind = 'course_alert'
        group by 2, 3
        on conflict (tenant_id, course, person) do nothing;
    insert into told_before as t (tenant_id, class, subject, recipient, said, told_at, expires_at)
        select p_tenant, keep_class(m.kind, m.booking),
               coalesce(nullif(m.booking, ''), split_part(m.courses, '.', 1)), m.recipient,
               keep_said(m.kind, m.courses), max(from_unix_us(m.told_us)),
               max(from_unix_us(m.told_us) + k.expires_after)
        from keep_mails(v_mails) m join kind k on k.kind = m.kind
        where m.kind <> 'course_alert' and from_unix_us(m.told_us) + k.expires_after > now()
        group by 2, 3, 4, 5
        on conflict (tenant_id, class, subject, recipient, said) do update
            set told_at = excluded.told_at, expires_at = excluded.expires_at
            where t.told_at < excluded.told_at;
    perform keep_settle(p_tenant, v_mails);
    perform keep_pass_numbers(array(select m.message_id from keep_mails(v_mails) m));
end $$;

create or replace function keep_mails(p_mails jsonb)
returns table (kind text, recipient text, booking text, message_id bigint, created_us bigint,
               told_us bigint, outcome text, courses text)
language sql immutable as $$
    select * from jsonb_to_recordset(p_mails) as m (kind text, recipient text, booking text,
        message_id bigint, created_us bigint, told_us bigint, outcome text, courses text)
$$;

-- Courses that such an alert was to tell of and, by its end, did not are to be matched anew; those that it
-- told of become matches again by keep_resolve_alerts.
create or replace function keep_settle(p_tenant bigint, p_mails jsonb) returns void
language sql as $$
    with gone as (
        delete from message m using keep_mails(p_mails) t
        where m.tenant_id = p_tenant and m.message_id = t.message_id
          and unix_us(m.created_at) = t.created_us
        returning m.*, t.told_us, t.outcome
    ), untold as (
        delete from match x using gone g
        where g.kind = 'course_alert' and x.tenant_id = p_tenant and x.course_id = any (g.courses)
          and x.person_id = g.person_id and x.message_id = g.message_id
    )
    insert into message_record (tenant_id, message_id, ended_at, person_id, establishment_id, job_id,
        created_at, epoch, lane, relay, attempts, state, kind)
    select g.tenant_id, g.message_id, from_unix_us(g.told_us), g.person_id, g.establishment_id,
           g.job_id, g.created_at, g.epoch, g.lane, g.relay, least(g.attempts + 1, 32767), g.outcome,
           g.kind
    from gone g
$$;

-- No number is given out a second time: Message-IDs are made of them. What the portal states before this
-- runs may have got some; it is told apart by when it was made.
create or replace function keep_pass_numbers(p_numbers bigint[]) returns void
language plpgsql as $$
declare
    v_first bigint; -- of the blocks that a fan-out takes; below it are the single ones
    v_step bigint;
    v_single bigint;
    v_block bigint;
begin
    select s.start_value, s.increment_by into v_first, v_step from pg_sequences s
        where s.schemaname = 'handbell' and s.sequencename = 'message_block';
    select max(n) filter (where n < v_first),
           v_first + (max(n) filter (where n >= v_first) - v_first) / v_step * v_step
        into v_single, v_block from unnest(p_numbers) n;
    if v_single >= (select last_value from message_message_id_seq) then
        perform setval('handbell.message_message_id_seq', v_single);
    end if;
    if v_block >= (select last_value from message_block) then
        perform setval('handbell.message_block', v_block);
    end if;
end $$;

-- ---- Once all of a tenant's lines are stored. ----

-- A step; true: there is more. A transaction that lasts is given up by the worker ([database] query_timeout).
create or replace function keep_resolve(
    p_slug text, p_words integer default 500, p_alerts integer default 20000,
    p_names integer default 2000)
returns boolean
language plpgsql security definer set search_path = handbell, pg_temp set work_mem = '64MB' as $$
declare
    v_tenant bigint;
begin
    -- As fan_out and merge_people do; the first has nothing to do while nothing is sent.
    select t.tenant_id into v_tenant from tenant_slug s join tenant t using (tenant_id)
        where s.slug = p_slug for no key update of t;
    if not found then
        return false;
    end if;
    if keep_resolve_names(v_tenant, p_names) then
        return true;
    end if;
    return exists (select from kept_word where tenant_id = v_tenant)
           and keep_resolve_words(v_tenant, null, p_words) = p_words
        or exists (select from told_alert where tenant_id = v_tenant)
           and keep_resolve_alerts(v_tenant, null, 0, p_alerts) = p_alerts;
end $$;

-- What was said or told under a ref holds under the one that came after it, and what came later under the
-- one before: the restored database has that, or the portal states the other, or both. First all of them
-- forwards from the oldest, then backwards from the newest, for a chain of them. p_limit of them; true:
-- there is more.
create or replace function keep_resolve_names(p_tenant bigint, p_limit integer) returns boolean
language plpgsql as $$
declare
    v_edge timestamptz;
    n kept_name;
begin
    select max(o.at) into v_edge
        from (select at from kept_name where tenant_id = p_tenant and not is_carried
              order by at limit p_limit) o;
    for n in select * from kept_name
             where tenant_id = p_tenant and not is_carried and at <= v_edge order by at loop
        perform keep_copy_names(p_tenant, n.old, n.new, '-infinity', n.at, n.is_merge);
    end loop;
    update kept_name set is_carried = true
        where tenant_id = p_tenant and not is_carried and at <= v_edge;
    if exists (select from kept_name where tenant_id = p_tenant and not is_carried) then
        return true;
    end if;
    select min(o.at) into v_edge
        from (select at from kept_name where tenant_id = p_tenant order by at desc limit p_limit) o;
    for n in select * from kept_name where tenant_id = p_tenant and at >= v_edge order by at desc loop
        perform keep_copy_names(p_tenant, n.new, n.old, n.at, 'infinity', false);
    end loop;
    delete from kept_name where tenant_id = p_tenant and at >= v_edge;
    return exists (select from kept_name where tenant_id = p_tenant);
end $$;

-- Of one who became part of another, only words that stop mail, and were not taken back: as merge_word.
create or replace function keep_copy_names(
    p_tenant bigint, p_from text, p_to text, p_after timestamptz, p_until timestamptz, p_is_merge boolean)
returns void
language plpgsql as $$
begin
    insert into kept_word (tenant_id, person, number, at, what, topic, how)
        select p_tenant, p_to, k.number, k.at, k.what, k.topic, k.how
        from kept_word k
        where k.tenant_id = p_tenant and k.person = p_from and k.at > p_after and k.at <= p_until
          and (not p_is_merge or k.what in ('opt_out', 'restrict_person') and not exists (
                   select from kept_word l
                   where l.tenant_id = p_tenant and l.person = p_from and l.at > k.at
                     and l.at <= p_until and l.what <> k.what
                     and keep_matter(l.what, l.topic) = keep_matter(k.what, k.topic)))
        on conflict do nothing;
    insert into told_alert (tenant_id, course, person, told_at)
        select p_tenant, case t.course when p_from then p_to else t.course end,
               case t.person when p_from then p_to else t.person end, t.told_at
        from told_alert t
        where t.tenant_id = p_tenant and (t.course = p_from or t.person = p_from)
          and t.told_at > p_after and t.told_at <= p_until
        on conflict do nothing;
    insert into told_before (tenant_id, class, subject, recipient, said, told_at, expires_at)
        select p_tenant, t.class, case t.subject when p_from then p_to else t.subject end,
               case t.recipient when p_from then p_to else t.recipient end, t.said, t.told_at,
               t.expires_at
        from told_before t
        where t.tenant_id = p_tenant and (t.subject = p_from or t.recipient = p_from)
          and t.told_at > p_after and t.told_at <= p_until
        on conflict do nothing;
end $$;

-- What the person said last counts, whether here since the restore or before it. Each word has its old
-- number again, for the portal has followed up to there; what was said since, and got such a number
-- once more, moves on. p_person null: everybody's. The oldest p_limit of them; how many there were.
create or replace function keep_resolve_words(p_tenant bigint, p_person bigint, p_limit integer)
returns integer
language plpgsql as $$
declare
    v_key bytea := (select key from keep_key);
    v_slug text := (select slug from tenant where tenant_id = p_tenant);
    v_first bigint;
    v_count integer := 0;
    w record;
begin
    for w in
        with since as (
            select c.person_ref, keep_matter(c.what, c.topic) as matter, max(c.at) as at
            from change c
            where c.tenant_id = p_tenant
              and c.at >= (select min(k.at) from kept_word k where k.tenant_id = p_tenant)
            group by 1, 2
        )
        select k.*, p.person_id, p.ref, s.at is not null as is_overtaken
        from kept_word k
        join person p on p.tenant_id = p_tenant and keep_digest(v_key, v_slug, 'person', p.ref) = k.person
        left join since s on s.person_ref = p.ref and s.matter = keep_matter(k.what, k.topic)
            and s.at >= k.at
        where k.tenant_id = p_tenant and (p_person is null or p.person_id = p_person)
        order by k.at, k.number limit p_limit
    loop
        v_count := v_count + 1;
        perform from person where tenant_id = p_tenant and person_id = w.person_id for no key update;
        if not w.is_overtaken then
            perform keep_say(p_tenant, w.person_id, w.what, w.topic, w.how, w.at);
            perform add_audit(p_tenant, w.what, w.ref, array_remove(array[w.topic], null),
                              'said before the database was restored');
        end if;
        perform keep_note_change(p_tenant, w.number, w.at, w.what, w.ref, w.topic, w.how);
        delete from kept_word where tenant_id = p_tenant and person = w.person
            and number = w.number and at = w.at;
        v_first := least(v_first, w.number);
    end loop;
    -- Each worker's file is to hold them all.
    update kept_change set number = v_first - 1 where tenant_id = p_tenant and number >= v_first;
    return v_count;
end $$;

-- What a word is about: of two about the same, the later counts.
create or replace function keep_matter(p_what text, p_topic text) returns text
language sql immutable as $$
    select case when p_what in ('opt_out', 'opt_in') then 'topic ' || p_topic
                when p_what in ('restrict_person', 'unrestrict_person') then 'restriction'
                else p_what end
$$;

-- The one place where a word of the file comes to hold again. One that is not known here is refused, and
-- then nothing is sent: a newer program has written it.
create or replace function keep_say(
    p_tenant bigint, p_person bigint, p_what text, p_topic text, p_how text, p_at timestamptz)
returns void
language plpgsql as $$
begin
    case p_what
        when 'opt_out' then
            insert into opt_out (tenant_id, person_id, topic, said_at, how)
                values (p_tenant, p_person, p_topic, p_at, p_how)
                on conflict (tenant_id, person_id, topic) do nothing;
        when 'opt_in' then
            delete from opt_out where tenant_id = p_tenant and person_id = p_person
                and topic = p_topic and said_at <= p_at;
        when 'restrict_person', 'unrestrict_person' then
            update person set is_restricted = p_what = 'restrict_person'
                where tenant_id = p_tenant and person_id = p_person;
        when 'lift_suppression' then
            delete from suppression s using person p
                where p.tenant_id = p_tenant and p.person_id = p_person
                  and s.tenant_id = p_tenant and s.address_hash = address_hash(p.email)
                  and s.since <= p_at;
        else
            perform refuse('HB001', 'keep_resolve', null, null,
                           'a kept file says "' || p_what || '", which is not known here');
    end case;
    perform refresh_ticks(p_tenant, p_person);
end $$;

create or replace function keep_note_change(
    p_tenant bigint, p_number bigint, p_at timestamptz, p_what text, p_ref text, p_topic text,
    p_how text)
returns void
language plpgsql as $$
declare
    v_last bigint;
    v_taken timestamptz;
begin
    insert into change_counter as c (tenant_id, last_number) values (p_tenant, p_number)
        on conflict (tenant_id) do update set last_number = greatest(c.last_number, p_number)
        returning last_number into v_last;
    select at into v_taken from change where tenant_id = p_tenant and number = p_number;
    if v_taken = p_at then
        return; -- the backup has it
    elsif found then
        update change_counter set last_number = v_last + 1 where tenant_id = p_tenant;
        update change set number = v_last + 1 where tenant_id = p_tenant and number = p_number;
    end if;
    insert into change (tenant_id, number, at, what, person_ref, topic, how)
        values (p_tenant, p_number, p_at, p_what, p_ref, p_topic, p_how);
end $$;

-- Those of whom person and course are there are matches from now on, and what still waits tells nothing
-- of them. p_course null: of all courses; of people behind p_after. p_limit of them; how many there were.
create or replace function keep_resolve_alerts(
    p_tenant bigint, p_course bigint, p_after bigint, p_limit integer)
returns integer
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    v_key bytea := (select key from keep_key);
    v_slug text := (select slug from tenant where tenant_id = p_tenant);
    v_courses bigint[];
    v_people bigint[];
    v_waiting bigint[];
begin
    with here as (
        select t.course, t.person, c.course_id, p.person_id
        from told_alert t, course c, person p
        where t.tenant_id = p_tenant and c.tenant_id = p_tenant and p.tenant_id = p_tenant
          and (p_course is null or c.course_id = p_course) and p.person_id > p_after
          and t.course = keep_digest(v_key, v_slug, 'course', c.ref)
          and t.person = keep_digest(v_key, v_slug, 'person', p.ref)
        limit p_limit
    ), known as (
        delete from told_alert t using here h
        where t.tenant_id = p_tenant and t.course = h.course and t.person = h.person
        returning h.course_id, h.person_id
    )
    select array_agg(k.course_id order by k.course_id, k.person_id),
           array_agg(k.person_id order by k.course_id, k.person_id)
        into v_courses, v_people from known k;
    if v_courses is null then
        return 0;
    end if;
    v_waiting := array(select x.message_id
        from unnest(v_courses, v_people) as u (course_id, person_id)
        join match x on x.tenant_id = p_tenant and x.course_id = u.course_id
            and x.person_id = u.person_id
        where x.message_id > 0);
    v_waiting := array(select m.message_id from message m
        where m.tenant_id = p_tenant and m.message_id = any (v_waiting) and m.kind = 'course_alert'
        order by m.message_id for update);
    update message m set courses = array(
            select c from unnest(m.courses) c
            where not exists (select from unnest(v_courses, v_people) as u (course_id, person_id)
                              where u.course_id = c and u.person_id = m.person_id))
        where m.tenant_id = p_tenant and m.message_id = any (v_waiting);
    insert into match as x (tenant_id, course_id, person_id, message_id)
        select p_tenant, u.course_id, u.person_id, 0
        from unnest(v_courses, v_people) as u (course_id, person_id)
        on conflict (tenant_id, course_id, person_id) do update set message_id = 0
            where x.message_id = any (v_waiting);
    return cardinality(v_courses);
end $$;

-- ---- What is stated again later. ----

-- A course is about to be matched.
create or replace function keep_match(p_tenant bigint, p_course bigint, p_after bigint) returns void
language plpgsql as $$
declare
    v_course text;
begin
    if not exists (select from told_alert where tenant_id = p_tenant) then
        return; -- as a rule
    end if;
    select keep_digest(k.key, t.slug, 'course', c.ref) into v_course
        from keep_key k, tenant t, course c
        where t.tenant_id = p_tenant and c.tenant_id = p_tenant and c.course_id = p_course;
    if exists (select from told_alert where tenant_id = p_tenant and course = v_course) then
        perform keep_resolve_alerts(p_tenant, p_course, p_after, null);
    end if;
end $$;

-- A person is there for the first time: what they said before the restore holds.
create or replace function keep_greet(p_tenant bigint, p_person bigint) returns void
language plpgsql as $$
declare
    v_person text;
begin
    if not exists (select from kept_word where tenant_id = p_tenant) then
        return; -- as a rule
    end if;
    select keep_digest(k.key, t.slug, 'person', p.ref) into v_person
        from keep_key k, tenant t, person p
        where t.tenant_id = p_tenant and p.tenant_id = p_tenant and p.person_id = p_person;
    if exists (select from kept_word where tenant_id = p_tenant and person = v_person) then
        perform keep_resolve_words(p_tenant, p_person, null);
    end if;
end $$;

create or replace function keep_greet_tenant(p_tenant bigint, p_slug text) returns void
language plpgsql as $$
declare
    v_lines text[];
begin
    with gone as (delete from kept_line where slug = p_slug returning line)
        select array_agg(line) into v_lines from gone;
    if v_lines is not null then
        perform keep_store(p_tenant, v_lines);
        while keep_resolve_names(p_tenant, 2000) loop end loop;
    end if;
end $$;
