-- What `handbell check` asks about the database's own safety: whether a commit is on a second machine
-- when it is answered. Without SECURITY DEFINER: what the statistics show depends on who looks, and the
-- caller may be allowed more than the schema's owner (pg_monitor).
create or replace function safety_status()
returns table (standby_names text, commit_waits text, is_synced boolean, sees_standbys boolean,
               standbys integer, synchronous integer)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
           current_setting('fsync') = 'on' and current_setting('full_page_writes') = 'on',
           pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
           count(*)::integer,
           count(*) filter (where r.sync_state in ('sync', 'quorum') and r.state = 'streaming')::integer
    from pg_stat_replication r
$$;
