-- The keys of the contract, one row each: what may be stated, of which type, how long, and what holds
-- until it is. docs/portal.md shows this table to the portal's programmer; a test compares the two.

-- A tenant, its establishments, its categories.
create or replace function contract_key_tenant()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    values
    ('tenant', 'name', 'line', 200::integer, null::text[], null::jsonb, true, true),
    ('tenant', 'from_name', 'line', 200, null, null, true, true),
    ('tenant', 'from_address', 'sender', 254, null, null, true, true),
    ('tenant', 'reply_to', 'address', 254, null, null, true, true),
    ('tenant', 'dpo_contact', 'line', 500, null, null, true, true),
    ('tenant', 'privacy_url', 'url', 2000, null, null, true, true),
    ('tenant', 'postal_address', 'text', 500, null, null, true, true),
    ('tenant', 'base_url', 'base url', 200, null, null, true, true),
    ('tenant', 'bounce_domain', 'domain', 253, null, null, true, true),
    ('tenant', 'language', 'language', null, null, '"en-GB"', true, true),
    ('tenant', 'time_zone', 'time zone', 100, null, '"Europe/London"', true, true),
    ('tenant', 'basis', 'one of', null,
     '{consent,public_task,contract,legitimate_interests}', '"consent"', false, true),
    ('tenant', 'settle', 'interval', null, null, '"10 min"', true, true),
    ('tenant', 'send_window', 'window', null, null, null, true, true),
    ('tenant', 'holidays', 'dates', 400, null, '[]', true, true),
    ('tenant', 'rules', 'rules', null, null, '{}', true, true),
    ('tenant', 'brand', 'brand', null, null, null, true, true),
    ('tenant', 'retention', 'retention', null, null, '{}', true, true),
    ('tenant', 'relay', 'line', 32, null, null, true, true),
    ('tenant', 'as_of', 'time', null, null, null, true, true),
    ('tenant', 'staff_address', 'any', null, null, null, true, false),
    ('tenant', 'relay_domain', 'any', null, null, null, true, false),
    ('tenant', 'on_withdrawal', 'any', null, null, null, true, false),
    ('tenant', 'admins', 'any', null, null, null, true, false),
    ('establishment', 'name', 'line', 200, null, null, true, true),
    ('establishment', 'urgent_email', 'address', 254, null, null, true, true),
    ('establishment', 'status', 'one of', null, '{active,closed}', '"active"', false, true),
    ('establishment', 'as_of', 'time', null, null, null, true, true),
    ('establishment', 'bulletin_email', 'any', null, null, null, true, false),
    ('establishment', 'bulletin', 'any', null, null, null, true, false),
    ('establishment', 'lead_email', 'any', null, null, null, true, false),
    ('establishment', 'invoice_email', 'any', null, null, null, true, false),
    ('establishment', 'leads', 'any', null, null, null, true, false),
    ('category', 'kind', 'one of', null, '{subject,audience,interest}', null, false, true),
    ('category', 'name', 'line', 200, null, null, true, true),
    ('category', 'status', 'one of', null, '{active,retired}', '"active"', false, true),
    ('category', 'as_of', 'time', null, null, null, true, true)
$$;

-- A person.
create or replace function contract_key_person()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    values
    ('person', 'email', 'address', 254::integer, null::text[], null::jsonb, true, true),
    ('person', 'title', 'line', 50, null, null, true, true),
    ('person', 'first_name', 'line', 100, null, null, true, true),
    ('person', 'last_name', 'line', 100, null, null, true, true),
    ('person', 'display_name', 'line', 200, null, null, true, true),
    ('person', 'establishments', 'refs', 50, null, '[]', true, true),
    ('person', 'language', 'language', null, null, null, true, true),
    ('person', 'status', 'one of', null, '{active,deactivated}', '"active"', false, true),
    ('person', 'consent', 'boolean', null, null, 'false', true, true),
    ('person', 'consented_at', 'time', null, null, null, true, true),
    ('person', 'consent_evidence', 'text', 2000, null, null, true, true),
    ('person', 'alerts', 'boolean', null, null, 'false', true, true),
    ('person', 'frequency', 'one of', null, '{immediate,daily,weekly}', '"immediate"', true, true),
    ('person', 'interests', 'refs', 1000, null, '[]', true, true),
    ('person', 'as_of', 'time', null, null, null, true, true),
    ('person', 'role', 'any', null, null, null, true, false),
    ('person', 'registered_by', 'any', null, null, null, true, false),
    ('person', 'bulletin', 'any', null, null, null, true, false),
    ('person', 'share_with_providers', 'any', null, null, null, true, false),
    ('person', 'last_active_at', 'any', null, null, null, true, false)
$$;

-- A course. The keys of a session on the course itself are for a course with a single one.
create or replace function contract_key_course()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    values
    ('course', 'title', 'line', 300::integer, null::text[], null::jsonb, true, true),
    ('course', 'summary', 'text', 5000, null, null, true, true),
    ('course', 'series', 'line', 200, null, null, true, true),
    ('course', 'sessions', 'sessions', 200, null, '[]', true, true),
    ('course', 'starts_at', 'time', null, null, null, true, true),
    ('course', 'ends_at', 'time', null, null, null, true, true),
    ('course', 'venue', 'line', 300, null, null, true, true),
    ('course', 'venue_address', 'text', 500, null, null, true, true),
    ('course', 'online_url', 'url', 2000, null, null, true, true),
    ('course', 'booking_url', 'url', 2000, null, null, true, true),
    ('course', 'booking_closes_at', 'time', null, null, null, true, true),
    ('course', 'full', 'boolean', null, null, 'false', true, true),
    ('course', 'private', 'boolean', null, null, 'false', true, true),
    ('course', 'contact', 'text', 500, null, null, true, true),
    ('course', 'arrival_notes', 'text', 5000, null, null, true, true),
    ('course', 'bring', 'text', 2000, null, null, true, true),
    ('course', 'access_contact', 'text', 500, null, null, true, true),
    ('course', 'cost', 'line', 200, null, null, true, true),
    ('course', 'cancellation_terms', 'text', 5000, null, null, true, true),
    ('course', 'cancel_by', 'time', null, null, null, true, true),
    ('course', 'joining_instructions', 'text', 20000, null, null, true, true),
    ('course', 'resources', 'resources', 50, null, '[]', true, true),
    ('course', 'provider', 'ref', 200, null, null, true, true),
    ('course', 'status', 'one of', null,
     '{draft,published,postponed,cancelled,finished}', '"draft"', false, true),
    ('course', 'cancel_reason', 'text', 2000, null, null, true, true),
    ('course', 'categories', 'refs', 500, null, '[]', true, true),
    ('course', 'tutors', 'refs', 50, null, '[]', true, true),
    ('course', 'open_to', 'refs', 1000, null, '[]', true, true),
    ('course', 'rules', 'course rules', null, null, '{}', true, true),
    ('course', 'as_of', 'time', null, null, null, true, true),
    ('course', 'evaluation_url', 'any', null, null, null, true, false)
$$;

-- A booking.
create or replace function contract_key_booking()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    values
    ('booking', 'course', 'ref', 200::integer, null::text[], null::jsonb, false, true),
    ('booking', 'person', 'ref', 200, null, null, false, true),
    ('booking', 'status', 'one of', null,
     '{requested,approved,waiting,offered,confirmed,declined,cancelled,transferred,attended,absent}', '"requested"', false, true),
    ('booking', 'booked_by', 'ref', 200, null, null, true, true),
    ('booking', 'online_url', 'url', 2000, null, null, true, true),
    ('booking', 'offer_expires_at', 'time', null, null, null, true, true),
    ('booking', 'quiet', 'boolean', null, null, 'false', true, true),
    ('booking', 'as_of', 'time', null, null, null, true, true)
$$;

-- The parts of which some values are made.
create or replace function contract_key_part()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    values
    ('session', 'ref', 'line', 200::integer, null::text[], null::jsonb, true, true),
    ('session', 'starts_at', 'time', null, null, null, false, true),
    ('session', 'ends_at', 'time', null, null, null, true, true),
    ('session', 'venue', 'line', 300, null, null, true, true),
    ('session', 'venue_address', 'text', 500, null, null, true, true),
    ('session', 'online_url', 'url', 2000, null, null, true, true),
    ('resource', 'name', 'line', 200, null, null, false, true),
    ('resource', 'url', 'url', 2000, null, null, false, true),
    ('brand', 'name', 'line', 200, null, null, true, true),
    ('brand', 'colour', 'colour', null, null, null, true, true),
    ('brand', 'logo', 'logo', null, null, null, true, true),
    ('logo', 'type', 'one of', null, '{image/png,image/jpeg,image/gif}', null, false, true),
    ('logo', 'base64', 'base64', 60000, null, null, false, true),
    ('logo', 'alt', 'line', 200, null, null, false, true),
    ('logo', 'width', 'pixels', 1200, null, null, true, true),
    ('logo', 'height', 'pixels', 1200, null, null, true, true),
    ('rules', 'brake', 'number', 1000000, null, '2000', false, true),
    ('rules', 'once_per_series', 'boolean', null, null, 'false', false, true),
    ('rules', 'digest_hour', 'number', 23, null, '7', false, true),
    ('rules', 'digest_weekday', 'weekday', 7, null, '5', false, true),
    ('rules', 'joining_instructions_days', 'number', 90, null, '7', true, true),
    ('rules', 'reminder_days', 'number', 90, null, '1', true, true),
    ('course rules', 'joining_instructions_days', 'number', 90, null, null, true, true),
    ('course rules', 'reminder_days', 'number', 90, null, null, true, true),
    ('window', 'from', 'clock', null, null, '"00:00"', false, true),
    ('window', 'to', 'clock', null, null, '"24:00"', false, true),
    ('window', 'days', 'weekdays', 7, null, '[1, 2, 3, 4, 5, 6, 7]', false, true),
    ('retention', 'mails', 'period', null, '{30 days,10 years}', '"2 years"', true, true),
    ('retention', 'bookings', 'period', null, '{1 year,20 years}', '"7 years"', true, true),
    ('retention', 'changes', 'period', null, '{90 days,10 years}', '"2 years"', true, true),
    ('retention', 'audit', 'period', null, '{1 year,20 years}', '"7 years"', true, true)
$$;

-- most: characters of a text, bytes of base64, elements of a list, or the largest number. choices: of a
-- period, the least and the most. standard: what holds at first sight and after null; without one, null
-- clears. is_available false: refused by name.
create or replace function contract_key()
returns table (kind text, key text, type text, most integer, choices text[], standard jsonb,
               is_nullable boolean, is_available boolean)
language sql immutable parallel safe as $$
    select * from contract_key_tenant()
    union all select * from contract_key_person()
    union all select * from contract_key_course()
    union all select * from contract_key_booking()
    union all select * from contract_key_part()
$$;
