-- The lines of the files that outlive this database. Each worker keeps one of mails that went out and of
-- what people said (worker/flow/keep.h), and tells them here after a restore: 47_keep.sql.
--
-- By digests of refs, for they lie outside this database's walls:
--   sent|TENANT|KIND|RECIPIENT|BOOKING|MESSAGE|CREATED|WHEN|OUTCOME|COURSE,COURSE...
--   word|TENANT|NUMBER|WHEN|WHAT|TOPIC|HOW|PERSON
--   name|TENANT|WHEN|OLD|NEW|IS_MERGE
-- Times are microseconds since 1970. A course is its digest, the digest of what its mails show, and its
-- start and end in seconds, with dots between. The worker adds WHEN, OUTCOME and the courses that the
-- mail told of; all else of a line is made here, and read here alone.

-- Null for null. By the installation's own key: refs are short, and could be guessed from a plain digest.
create or replace function keep_digest(p_key bytea, p_slug text, p_what text, p_ref text) returns text
language sql stable parallel safe as $$
    select encode(substr(sha256(p_key || convert_to(p_slug || chr(31) || p_what || chr(31) || p_ref,
                                                    'UTF8')), 1, 15), 'base64')
$$;

create or replace function unix_us(p_at timestamptz) returns bigint
language sql stable parallel safe as $$
    select (date_part('epoch', p_at) * 1000000)::bigint
$$;

create or replace function from_unix_us(p_us bigint) returns timestamptz
language sql immutable parallel safe as $$
    select timestamptz 'epoch' + p_us * interval '1 microsecond'
$$;

-- A course in such a line: called once a claim and course. (plpgsql: a function of SQL that is called is
-- planned each time.)
create or replace function keep_course(p_key bytea, p_slug text, c course) returns text
language plpgsql stable as $$
begin
    return handbell.keep_digest(p_key, p_slug, 'course', c.ref) || '.'
        || encode(substr(sha256(convert_to(json_build_array(c.title, c.status, (
            select json_agg(json_build_array(extract(epoch from s.starts_at)::bigint,
                       extract(epoch from s.ends_at)::bigint, s.venue, s.venue_address, s.online_url)
                   order by s.position)
            from handbell.course_session s
            where s.tenant_id = c.tenant_id and s.course_id = c.course_id
              and c.status <> 'postponed'))::text, 'UTF8')), 1, 9), 'base64')
        || '.' || coalesce(extract(epoch from c.starts_at)::bigint::text, '')
        || '.' || coalesce(extract(epoch from c.ends_at)::bigint::text, '');
end $$;

-- The beginning of a message's line; null where the recipient has no ref any more. In line, as the
-- functions behind claim().
create or replace function keep_line(
    p_key bytea, p_slug text, p_kind text, p_person text, p_establishment text, p_booking text,
    p_message bigint, p_created_at timestamptz)
returns text
language sql stable as $$
    select 'sent|' || p_slug || '|' || p_kind || '|'
        || coalesce(handbell.keep_digest(p_key, p_slug, 'person', p_person),
                    handbell.keep_digest(p_key, p_slug, 'establishment', p_establishment))
        || '|' || coalesce(handbell.keep_digest(p_key, p_slug, 'booking', p_booking), '')
        || '|' || p_message || '|' || handbell.unix_us(p_created_at)
$$;

-- Notices of one class follow one another: the last of them is what the recipient knows.
create or replace function keep_class(p_kind text, p_booking text) returns text
language sql immutable as $$
    select case when p_booking <> '' then 'booking'
                when p_kind in ('course_cancelled', 'course_changed') then 'course'
                else p_kind end
$$;

-- What a notice says, so that the same is known again though its job is another: the kind; of a change
-- what the course has become, of a rule's mail the date that it is about.
create or replace function keep_said(p_kind text, p_course text) returns text
language sql stable as $$
    select p_kind || coalesce(':' || case
        when p_kind = 'course_changed' then split_part(p_course, '.', 2)
        else (select split_part(p_course, '.', case r.anchor when 'start' then 3 else 4 end)
              from handbell.rule r where r.kind = p_kind) end, '')
$$;

-- Where this database stands, so that a worker knows one that was put back (44_life.sql): by what is on the
-- disk, which goes back only when the database does.
create or replace function keep_place(
    out system_identifier bigint, out timeline integer, out log_position bigint)
language plpgsql stable security definer set search_path = handbell, pg_temp as $$
declare
    v_log pg_lsn := pg_current_wal_flush_lsn();
begin
    select s.system_identifier into system_identifier from pg_control_system() s;
    timeline := ('x' || left(pg_walfile_name(v_log), 8))::bit(32)::integer;
    log_position := v_log - pg_lsn '0/0';
end $$;
