-- Which life of the database the workers know (44_life.sql). A fail-over, a restore from a backup or a
-- copy begins a new one: then nothing is sent until the workers have told what the database has forgotten.

create table life (
    one boolean primary key default true check (one),
    number bigint not null default 0, -- counts the lives
    system_identifier bigint,         -- the cluster's; null: no worker was ever here
    timeline integer,                 -- of its log
    database oid,                     -- a copy by createdb has another,
    relation oid,                     -- and this table, restored from a dump, too: in the same cluster
    is_open boolean not null default true, -- false: nothing is claimed
    -- why the present life began: promoted (a new timeline), moved (dumped or copied), put_back (the same
    -- timeline, at an earlier place). Other than promoted: a restored or copied database.
    reason text check (reason in ('promoted', 'moved', 'put_back')),
    began_at timestamptz not null default now(),
    accepted_by text -- the login of the operator who opened it without those who were waited for
);
insert into life default values;

-- The life up to which this worker has told all that it knows; null: it has told nothing yet.
alter table worker add column life bigint;
-- Whether the present life waits for it: it was there shortly before the one before ended.
alter table worker add column is_awaited boolean not null default false;
