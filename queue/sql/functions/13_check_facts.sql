-- Facts as a whole: every key known, allowed and well formed, or an error that names function, ref and
-- key; nothing is stored by then. Knows the contract's keys; no table.

-- Edits between two words (Levenshtein), for the hint beside an unknown key; null where they are more than
-- p_most. Given up early: a misspelt column is a refusal for each of ten thousand items.
create or replace function edits_between(p_one text, p_other text, p_most integer) returns integer
language plpgsql immutable as $$
declare
    v_above integer[] := array(select generate_series(0, length(p_other)));
    v_row integer[];
begin
    if abs(length(p_one) - length(p_other)) > p_most then
        return null;
    end if;
    for i in 1 .. length(p_one) loop
        v_row := array[i];
        for j in 1 .. length(p_other) loop
            v_row := v_row || least(v_row[j] + 1, v_above[j + 1] + 1, v_above[j]
                + case when substr(p_one, i, 1) = substr(p_other, j, 1) then 0 else 1 end);
        end loop;
        if p_most < all (v_row) then
            return null;
        end if;
        v_above := v_row;
    end loop;
    return case when v_row[length(p_other) + 1] <= p_most then v_row[length(p_other) + 1] end;
end $$;

-- Would this key carry what the law protects specially (GDPR article 9)? However it is spelt.
create or replace function is_special_key(p_key text) returns boolean
language sql immutable parallel safe as $$
    select lower(regexp_replace(p_key, '[^A-Za-z]', '', 'g')) ~
        ('^(special|additional|access|accessibility|support)(requirement|need|provision|adjustment)'
         || '|^accessib|diet|allerg|medic|disab|health|illness|impairment|pregnan|ethnic|^race$|racial'
         || '|religi|belief|faith|sexual|tradeunion|politic|biometric|genetic|criminal|^sen$|^send$'
         || '|reasonableadjustment')
$$;

create or replace function refuse_key(p_function text, p_kind text, p_ref text, p_path text, p_key text)
returns void
language plpgsql as $$
declare
    v_near text;
begin
    if is_special_key(p_key) then
        perform refuse('HB001', p_function, p_ref, p_path || left(p_key, 60),
            'refused: Handbell stores nothing about health, diet, access, belief or origin; '
            || 'keep it in the portal');
    elsif p_key !~ '^[A-Za-z][A-Za-z0-9_-]{0,59}$' then
        -- Somebody may have put a value where the key belongs.
        perform refuse('HB001', p_function, p_ref, null, 'a key that is not a name');
    end if;
    select n.key into v_near
        from (select k.key, edits_between(lower(p_key), k.key, 3) as edits from contract_key() k
              where k.kind = p_kind and k.is_available offset 0) n
        where n.edits is not null order by n.edits, n.key limit 1;
    perform refuse('HB001', p_function, p_ref, p_path || p_key,
        'unknown key' || coalesce('; did you mean "' || v_near || '"?', ''));
end $$;

-- A kind's keys as one value, {key: {type, most, ...}}. Called with a constant it becomes part of the
-- caller's plan, worked out once a session: joining the table for every fact took half of put_person.
create or replace function contract_of(p_kind text) returns jsonb
language sql immutable parallel safe as $$
    select jsonb_object_agg(k.key, jsonb_strip_nulls(to_jsonb(k)))
        from contract_key() k where k.kind = p_kind
$$;

-- The facts as they are to be stored: null replaced by what holds without a statement, CR LF by LF.
-- p_contract is contract_of(p_kind); p_path is '' but for the parts of a value ("sessions[2].").
create or replace function check_facts(
    p_function text, p_kind text, p_ref text, p_facts jsonb, p_contract jsonb,
    p_path text default '')
returns jsonb
language plpgsql stable as $$
declare
    v_facts jsonb := p_facts;
    v_value jsonb;
    k jsonb;
    r record;
begin
    if jsonb_typeof(p_facts) is distinct from 'object' then
        perform refuse('HB001', p_function, p_ref, nullif(rtrim(p_path, '.'), ''),
                       'facts must be a JSON object');
    elsif p_path = '' then
        perform check_ref(p_function, p_ref);
        if pg_column_size(p_facts) > 262144 then
            perform refuse('HB001', p_function, p_ref, null, 'facts of more than 256 KB');
        end if;
    end if;
    for r in select key, value from jsonb_each(p_facts) loop
        k := p_contract -> r.key;
        if k is null then
            perform refuse_key(p_function, p_kind, p_ref, p_path, r.key);
        elsif not (k -> 'is_available')::boolean then
            perform refuse('HB004', p_function, p_ref, p_path || r.key, 'not available yet');
        elsif r.value = 'null' then
            if not (k -> 'is_nullable')::boolean then
                perform refuse('HB001', p_function, p_ref, p_path || r.key, 'must not be null');
            elsif k ? 'standard' and p_path = '' then
                v_facts := v_facts || jsonb_build_object(r.key, k -> 'standard');
            end if;
            continue;
        end if;
        v_value := check_value(p_function, p_ref, p_path || r.key, k, r.value);
        -- 7.0 equals 7, but is not stored for it; and it may stand within an object.
        if v_value <> r.value or jsonb_typeof(v_value) in ('number', 'object') then
            v_facts := v_facts || jsonb_build_object(r.key, v_value);
        end if;
    end loop;
    return v_facts;
end $$;

-- One value, as it is to be stored.
create or replace function check_value(
    p_function text, p_ref text, p_key text, p_contract_key jsonb, p_value jsonb)
returns jsonb
language plpgsql stable as $$
declare
    v_type text := p_contract_key ->> 'type';
    v_problem text := value_problem(v_type, (p_contract_key -> 'most')::integer,
                                    p_contract_key -> 'choices', p_value);
begin
    if v_problem is not null then
        perform refuse('HB001', p_function, p_ref, p_key, v_problem);
    elsif v_type = 'text' then
        return to_jsonb(replace(p_value #>> '{}', E'\r\n', E'\n'));
    elsif v_type in ('number', 'weekday', 'pixels') then
        return to_jsonb(p_value::integer);
    elsif v_type = 'base url' then
        return to_jsonb(rtrim(p_value #>> '{}', '/'));
    elsif v_type = 'language' and p_value not in ('"en-GB"', '"cy"') then
        perform refuse('HB004', p_function, p_ref, p_key, 'only en-GB and cy are available yet');
    elsif v_type = 'colour' then
        return to_jsonb(lower(p_value #>> '{}'));
    elsif v_type = 'brand' then
        return jsonb_strip_nulls(check_facts(p_function, 'brand', p_ref, p_value, contract_of('brand'),
                                             p_key || '.'));
    elsif v_type = 'logo' then
        return check_logo(p_function, p_ref, p_key, check_facts(
            p_function, 'logo', p_ref, p_value, contract_of('logo'), p_key || '.'));
    elsif v_type = 'retention' then
        return check_facts(p_function, 'retention', p_ref, p_value, contract_of('retention'),
                           p_key || '.');
    elsif v_type in ('rules', 'course rules') then
        return check_facts(p_function, v_type, p_ref, p_value,
            case v_type when 'rules' then contract_of('rules') else contract_of('course rules') end,
            p_key || '.');
    elsif v_type = 'window' then
        return check_window(p_function, p_ref, p_key, check_facts(
            p_function, 'window', p_ref, p_value, contract_of('window'), p_key || '.'));
    elsif v_type in ('sessions', 'resources') then
        return check_parts(p_function, p_ref, p_key, rtrim(v_type, 's'), p_value);
    end if;
    return p_value;
end $$;

-- A list of objects, each with what it cannot do without.
create or replace function check_parts(
    p_function text, p_ref text, p_key text, p_kind text, p_parts jsonb)
returns jsonb
language plpgsql stable as $$
declare
    v_needed text[] := case p_kind when 'session' then '{starts_at}' else '{name,url}' end;
    v_parts jsonb := '[]';
    v_path text;
    v_name text;
    r record;
begin
    for r in select value, ordinality as n from jsonb_array_elements(p_parts) with ordinality loop
        v_path := p_key || '[' || r.n || '].';
        v_parts := v_parts || jsonb_build_array(
            check_facts(p_function, p_kind, p_ref, r.value, case p_kind
                when 'session' then contract_of('session') else contract_of('resource') end, v_path));
        foreach v_name in array v_needed loop
            if not r.value ? v_name then
                perform refuse('HB001', p_function, p_ref, v_path || v_name, 'must be given');
            end if;
        end loop;
    end loop;
    return v_parts;
end $$;

create or replace function check_window(p_function text, p_ref text, p_key text, p_window jsonb)
returns jsonb
language plpgsql stable as $$
begin
    if coalesce(p_window ->> 'from', '00:00') >= coalesce(p_window ->> 'to', '24:00') then
        perform refuse('HB001', p_function, p_ref, p_key, 'must open before it closes');
    elsif jsonb_array_length(p_window -> 'days') = 0 then
        perform refuse('HB001', p_function, p_ref, p_key || '.days', 'must hold a day');
    end if;
    return p_window;
end $$;

-- A logo that cannot be shown, or that a reader who sees no images learns nothing of, is refused.
create or replace function check_logo(p_function text, p_ref text, p_key text, p_logo jsonb)
returns jsonb
language plpgsql stable as $$
declare
    v_name text;
begin
    foreach v_name in array '{type,base64,alt}'::text[] loop
        if coalesce(p_logo ->> v_name, '') = '' then
            perform refuse('HB001', p_function, p_ref, p_key || '.' || v_name, 'must be given');
        end if;
    end loop;
    if not is_image_of(p_logo ->> 'type', decode(p_logo ->> 'base64', 'base64')) then
        perform refuse('HB001', p_function, p_ref, p_key || '.base64',
                       'does not begin as an image of its type does');
    end if;
    return p_logo;
end $$;

-- What holds for a kind of fact of which nothing was stated.
create or replace function contract_standard(p_kind text) returns jsonb
language sql immutable parallel safe as $$
    select jsonb_object_agg(k.key, k.standard) from contract_key() k
        where k.kind = p_kind and k.standard is not null
$$;

-- The columns in which two versions of a row differ.
create or replace function changed_columns(p_old jsonb, p_new jsonb) returns text[]
language sql immutable parallel safe as $$
    select coalesce(array_agg(n.key order by n.key), '{}')
        from jsonb_each(p_new) n
        where n.value is distinct from p_old -> n.key and n.key <> 'as_of'
$$;

-- When these facts were true. Nothing can be known from the day after tomorrow. p_before: of when the word
-- is that stands; one that says no time is not older than it, even where the clock was set back since, or
-- a standby with another clock took over.
create or replace function stated_as_of(
    p_function text, p_ref text, p_facts jsonb, p_before timestamptz default null)
returns timestamptz
language plpgsql volatile as $$
declare
    -- Not now(): of two transactions, the one that waited for the row has the later word.
    v_as_of timestamptz := coalesce((p_facts ->> 'as_of')::timestamptz,
                                    greatest(clock_timestamp(), p_before));
begin
    if (p_facts ->> 'as_of') is not null and v_as_of > clock_timestamp() + interval '1 day' then
        perform refuse('HB001', p_function, p_ref, 'as_of', 'lies more than a day ahead');
    end if;
    return v_as_of;
end $$;
