-- What the workers' files outside the database say of mails and of people's words (47_keep.sql): told
-- and said after the backup that this database was restored from. All of it is empty on a database
-- that was never restored.

-- Digests in those files are made with it, so that a file alone names nobody. It belongs to the
-- installation: a restored database has it from its backup.
create table keep_key (key bytea not null);
insert into keep_key values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- Entries of this worker's file up to this number are in the database, and so in every backup of it
-- that has the number.
alter table worker add column kept bigint not null default 0;

-- The last change of each tenant that a worker's file holds.
create table kept_change (
    owner uuid not null references worker on delete cascade,
    tenant_id bigint not null,
    number bigint not null,
    primary key (owner, tenant_id)
);

-- Notices that went out. class: what they follow one another about; said: what the recipient knows since.
create table told_before (
    tenant_id bigint not null,
    class text not null,     -- course, booking, or a kind
    subject text not null,   -- a course's or a booking's digest
    recipient text not null, -- a person's or an establishment's digest
    said text not null,
    told_at timestamptz not null,
    expires_at timestamptz not null,
    has_moved_on boolean not null default false, -- something else was told since the restore
    primary key (tenant_id, class, subject, recipient, said)
);
create index told_before_subject on told_before (tenant_id, subject);
create index told_before_recipient on told_before (tenant_id, recipient);

-- Alerts that went out, whose person or course is not stated again yet; the others are matches.
create table told_alert (
    tenant_id bigint not null,
    course text not null, -- digests
    person text not null,
    told_at timestamptz not null,
    primary key (tenant_id, course, person)
);
create index told_alert_person on told_alert (tenant_id, person);

-- What people said, who are not stated again yet.
create table kept_word (
    tenant_id bigint not null,
    person text not null, -- digest
    number bigint not null,
    at timestamptz not null,
    what text not null,
    topic text,
    how text,
    primary key (tenant_id, person, number, at)
);

-- Who or what had another ref since the backup: digests. Until the next keep_resolve.
create table kept_name (
    tenant_id bigint not null,
    at timestamptz not null,
    old text not null,
    new text not null,
    is_merge boolean not null, -- of two people, who were two before
    is_carried boolean not null default false, -- what was before it holds under the new one already
    primary key (tenant_id, at, old, new)
);

-- Mails that were on the wire when their worker or its connection ended, and whose rows a restore has lost:
-- somebody may have read them, and nothing else is left of them. For the operator.
create table lost_doubt (
    tenant_id bigint not null,
    message_id bigint not null,
    created bigint not null, -- when the message was made, in seconds since 1970
    noted_at timestamptz not null default now(),
    primary key (tenant_id, message_id, created)
);

-- Entries about tenants that are not stated again yet.
create table kept_line (
    slug text not null,
    line text not null,
    primary key (slug, line)
);
