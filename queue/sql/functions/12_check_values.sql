-- What is wrong with one value, by its type. Each function answers with the problem in words, or null.
-- None repeats the value. Knows the types of 11_contract.sql; no table.

-- RFC 5321 4.1.2 (syntax) and 4.5.3.1 (limits, in octets), with RFC 6531's letters beyond ASCII.
-- Comments, folding and RFC 5322's obsolete forms are no part of an address on the wire; address
-- literals are one, but no delegate reads mail there.
create or replace function address_problem(p_address text) returns text
language plpgsql immutable as $$
declare
    v_at integer := length(p_address) - position('@' in reverse(p_address)) + 1;
    v_local text := left(p_address, v_at - 1);
    v_domain text := substr(p_address, v_at + 1);
begin
    if p_address !~ '@' then
        return 'not a mail address (no @)';
    elsif p_address ~ '[\u0001-\u001f\u007f-\u00a0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]' then
        return 'not a mail address (a control character or an invisible one)';
    elsif octet_length(v_local) > 64 then
        return 'not a mail address (RFC 5321 4.5.3.1.1: local part over 64 octets)';
    elsif octet_length(v_domain) > 255 then
        return 'not a mail address (RFC 5321 4.5.3.1.2: domain over 255 octets)';
    elsif octet_length(p_address) > 254 then
        return 'not a mail address (RFC 5321 4.5.3.1.3: over 254 octets)';
    elsif v_local !~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u0080-\uffff-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~\u0080-\uffff-]+)*$'
      and v_local !~ '^"([ !#-\[\]-~\u0080-\uffff]|\\[ -~])*"$' then
        return 'not a mail address (RFC 5321 4.1.2: local part)';
    elsif v_domain ~ '^\[' then
        return 'a mail address at an IP address is not accepted';
    end if;
    return 'not a mail address (' || domain_problem(v_domain) || ')';
end $$;

create or replace function domain_problem(p_domain text) returns text
language sql immutable parallel safe as $$
    select case
        when octet_length(p_domain) > 253 then 'domain over 253 octets'
        when p_domain ~ '[^.]{64}' then 'RFC 1035 2.3.4: a label of the domain over 63 octets'
        when p_domain !~ '^[A-Za-z0-9\u00a1-\uffff]([A-Za-z0-9\u00a1-\uffff-]*[A-Za-z0-9\u00a1-\uffff])?(\.[A-Za-z0-9\u00a1-\uffff]([A-Za-z0-9\u00a1-\uffff-]*[A-Za-z0-9\u00a1-\uffff])?)*$'
            then 'RFC 5321 4.1.2: domain'
    end
$$;

-- The tenant's own domains stand in the Message-ID and in List-Unsubscribe, which hold ASCII alone.
create or replace function ascii_problem(p_domain text) returns text
language sql immutable parallel safe as $$
    select case when p_domain ~ '[^ -~]' then 'must have its domain in ASCII, as xn--...' end
$$;

-- RFC 3986, http and https alone. No user information: it misleads the reader about the host.
create or replace function url_problem(p_url text) returns text
language sql immutable parallel safe as $$
    select case
        when p_url !~* '^https?://' then 'must begin with https:// or http://'
        when p_url ~ '[^!-~]' then 'must hold printable ASCII without blanks (percent-encode the rest)'
        when p_url ~ '["<>\\^`{|}]' then 'holds a character that RFC 3986 does not allow'
        when p_url ~ '^[^/]*//[^/?#]*@' then 'must not hold a user name or a password'
        when p_url !~* '^https?://(([a-z0-9]([a-z0-9_-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*\.?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?#]|$)'
            then 'has no proper host'
    end
$$;

-- The address under which Handbell's own pages are found: links in mails begin with it.
create or replace function base_url_problem(p_url text) returns text
language sql immutable parallel safe as $$
    select coalesce(url_problem(p_url), case
        when p_url ~ '[?#]' then 'must not hold a query or a fragment'
        when p_url ~* '^http:'
             and p_url !~* '^http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/|$)'
            then 'must begin with https:// (http:// only on loopback)'
    end)
$$;

-- ISO 8601 with a zone: a time without one means another moment in each place.
create or replace function time_problem(p_time text) returns text
language plpgsql immutable as $$
begin
    if p_time !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$' then
        return 'must be a time with its zone, as in 2026-11-23T09:30:00Z';
    elsif p_time !~ '^(19[7-9]|20[0-9]|21[0-9])' then
        return 'must lie between the years 1970 and 2199';
    end if;
    perform p_time::timestamptz;
    return null;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
    return 'there is no such date or time';
end $$;

create or replace function date_problem(p_date text) returns text
language plpgsql immutable as $$
begin
    if p_date !~ '^(19[7-9]|20[0-9]|21[0-9])[0-9]-[0-9]{2}-[0-9]{2}$' then
        return 'must hold dates, as in 2026-12-25';
    end if;
    perform p_date::date;
    return null;
exception when datetime_field_overflow or invalid_datetime_format then
    return 'there is no such date';
end $$;

create or replace function settle_problem(p_interval text) returns text
language plpgsql immutable as $$
declare
    v_seconds numeric;
begin
    v_seconds := extract(epoch from p_interval::interval);
    return case when v_seconds < 0 or v_seconds > 86400 then 'must lie between 0 and 24 hours' end;
exception when invalid_datetime_format or datetime_field_overflow or interval_field_overflow then
    return 'must be a length of time, as in "10 min"';
end $$;

-- How long something is kept.
create or replace function period_problem(p_least text, p_most text, p_period text) returns text
language sql immutable parallel safe as $$
    select case
        when p_period !~ '^[1-9][0-9]{0,3} (day|week|month|year)s?$'
            then 'must be a length of time in days, weeks, months or years, as in "2 years"'
        when p_period::interval not between p_least::interval and p_most::interval
            then 'must lie between ' || p_least || ' and ' || p_most
    end
$$;

create or replace function language_problem(p_language text) returns text
language sql immutable parallel safe as $$
    select case when p_language !~ '^[a-z]{2,3}(-[A-Z]{2})?$'
        then 'must be a language tag, as in en-GB (RFC 5646)' end
$$;

-- WCAG 2.2, relative luminance: how bright one of the three colours of '#rrggbb' is.
create or replace function linear_light(p_hex text) returns double precision
language sql immutable parallel safe as $$
    select case when v <= 0.04045 then v / 12.92 else ((v + 0.055) / 1.055) ^ 2.4 end
    from (select get_byte(decode(p_hex, 'hex'), 0) / 255.0::double precision) x (v)
$$;

-- White text stands on it: WCAG 2.2, 1.4.3 asks for a contrast of 4.5.
create or replace function colour_problem(p_colour text) returns text
language sql immutable parallel safe as $$
    select case
        when p_colour !~ '^#[0-9A-Fa-f]{6}$' then 'must be a colour, as in #1d4e89'
        when 1.05 / (0.2126 * linear_light(substr(p_colour, 2, 2))
                     + 0.7152 * linear_light(substr(p_colour, 4, 2))
                     + 0.0722 * linear_light(substr(p_colour, 6, 2)) + 0.05) < 4.5
            then 'too light: white text on it needs a contrast of 4.5 (WCAG 2.2, 1.4.3)'
    end
$$;

create or replace function base64_problem(p_most integer, p_text text) returns text
language sql immutable parallel safe as $$
    select case
        when length(p_text) > (p_most + 2) / 3 * 4 then 'more than ' || p_most || ' bytes'
        when p_text !~ '^[A-Za-z0-9+/]+={0,2}$' or length(p_text) % 4 <> 0
            then 'must be base64 on one line (RFC 4648 section 4)'
        when octet_length(decode(p_text, 'base64')) > p_most then 'more than ' || p_most || ' bytes'
    end
$$;

-- Do these bytes begin as a file of this type does?
create or replace function is_image_of(p_type text, p_bytes bytea) returns boolean
language sql immutable parallel safe as $$
    select case p_type
        when 'image/png' then substr(p_bytes, 1, 8) = '\x89504e470d0a1a0a'
        when 'image/jpeg' then substr(p_bytes, 1, 3) = '\xffd8ff'
        when 'image/gif' then substr(p_bytes, 1, 6) in ('GIF87a', 'GIF89a')
    end
$$;

create or replace function text_problem(p_type text, p_most integer, p_choices jsonb, p_text text)
returns text
language plpgsql stable as $$
begin
    if p_type = 'one of' then
        return case when not p_choices ? p_text
            then 'must be one of ' || (select string_agg(c.e, ', ' order by c.n)
                from jsonb_array_elements_text(p_choices) with ordinality c (e, n)) end;
    elsif p_type = 'address' then
        return address_problem(p_text);
    elsif p_type = 'sender' then
        return coalesce(address_problem(p_text), ascii_problem(regexp_replace(p_text, '^.*@', '')));
    elsif p_type = 'base64' then
        return base64_problem(p_most, p_text);
    elsif length(p_text) > p_most then
        return 'longer than ' || p_most || ' characters';
    elsif p_type = 'line' then
        return case when p_text ~ '[\u0001-\u001f\u007f-\u009f]'
            then 'must be one line without control characters' end;
    elsif p_type = 'text' then
        return case when p_text ~ '[\u0001-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f]|\r(?!\n)'
            then 'must not hold control characters other than line ends' end;
    end if;
    return case p_type
        when 'ref' then ref_problem(p_text)
        when 'time' then time_problem(p_text)
        when 'url' then url_problem(p_text)
        when 'base url' then base_url_problem(p_text)
        when 'domain' then coalesce('not a domain (' || domain_problem(p_text) || ')', ascii_problem(p_text))
        when 'language' then language_problem(p_text)
        when 'colour' then colour_problem(p_text)
        when 'interval' then settle_problem(p_text)
        when 'period' then period_problem(p_choices ->> 0, p_choices ->> 1, p_text)
        when 'time zone' then case when not exists (select from pg_timezone_names where name = p_text)
            then 'not a time zone of the IANA database, as Europe/London is' end
        when 'clock' then case when p_text !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'
            then 'must be a time of day, as in 08:00' end
    end;
end $$;

-- p_elements: what a list holds.
create or replace function list_problem(p_type text, p_most integer, p_list jsonb) returns text
language plpgsql stable as $$
declare
    v_wanted text := case p_type when 'weekdays' then 'number' else 'string' end;
    v_problem text;
begin
    if jsonb_array_length(p_list) > p_most then
        return 'more than ' || p_most || ' entries';
    end if;
    select case
            when jsonb_typeof(e) <> v_wanted then 'must hold JSON ' || v_wanted || 's alone'
            when p_type = 'refs' then ref_problem(e #>> '{}')
            when p_type = 'dates' then date_problem(e #>> '{}')
            when p_type = 'weekdays' then number_problem(1, 7, e)
        end into v_problem
        from jsonb_array_elements(p_list) e
        where jsonb_typeof(e) <> v_wanted
           or case p_type when 'refs' then ref_problem(e #>> '{}')
                          when 'dates' then date_problem(e #>> '{}')
                          else number_problem(1, 7, e) end is not null
        limit 1;
    return v_problem;
end $$;

create or replace function number_problem(p_least integer, p_most integer, p_number jsonb)
returns text
language sql immutable parallel safe as $$
    select case when not (p_number)::numeric between p_least and p_most
                  or (p_number)::numeric % 1 <> 0
        then 'must be a whole number from ' || p_least || ' to ' || p_most end
$$;

create or replace function value_problem(
    p_type text, p_most integer, p_choices jsonb, p_value jsonb)
returns text
language plpgsql stable as $$
declare
    v_is text := jsonb_typeof(p_value);
    v_wanted text := case
        when p_type = 'boolean' then 'boolean'
        when p_type in ('number', 'weekday', 'pixels') then 'number'
        when p_type in ('refs', 'dates', 'weekdays', 'sessions', 'resources') then 'array'
        when p_type in ('rules', 'course rules', 'window', 'brand', 'logo', 'retention') then 'object'
        else 'string' end;
begin
    if v_is <> v_wanted then
        return 'must be a JSON ' || v_wanted || ', not ' || v_is;
    end if;
    return case v_wanted
        when 'string' then text_problem(p_type, p_most, p_choices, p_value #>> '{}')
        when 'array' then case
            when p_type not in ('sessions', 'resources') then list_problem(p_type, p_most, p_value)
            when jsonb_array_length(p_value) > p_most then 'more than ' || p_most || ' entries' end
        when 'number' then number_problem(case when p_type in ('weekday', 'pixels') then 1 else 0 end,
                                          p_most, p_value)
    end;
end $$;
