-- The relays, as workers tell of theirs, and how much of their limits is used.

-- What all workers say together (relays_say). A row stays when no worker has its relay any more: mail
-- may wait for it.
create table relay (
    relay smallint primary key, -- message.relay: 1 is [smtp], 2 is [smtp2], ...
    name text not null,
    weight integer not null,    -- 0: for tenants alone that name it
    per_minute integer not null, -- 0: no limit
    per_day integer not null,
    urgent_share integer not null, -- percent of both
    -- up: some worker sends through it; down: none of those that have it can; gone: none has it
    state text not null check (state in ('up', 'down', 'gone')),
    since timestamptz not null default now()
);

-- What one worker says.
create table worker_relay (
    owner uuid not null,
    relay smallint not null,
    name text not null,
    weight integer not null,
    per_minute integer not null,
    per_day integer not null,
    urgent_share integer not null,
    digest text not null,   -- of its settings: workers should agree
    is_down boolean not null,
    rate integer not null,  -- mails a minute, just now
    sessions integer not null, -- that it uses at a time
    stated_at timestamptz not null default now(), -- when its settings were new
    said_at timestamptz not null default now(),
    primary key (owner, relay)
) with (fillfactor = 50);

-- Mails that workers were allowed, by the second for the minute's limit and by five minutes for the
-- day's; and those that fail-over moved here, by the second.
create table relay_use (
    relay smallint not null,
    span text not null check (span in ('minute', 'day', 'moved')),
    at timestamptz not null,
    urgent integer not null,
    bulk integer not null, -- all that is neither urgent nor account mail
    primary key (relay, span, at)
) with (fillfactor = 50);
