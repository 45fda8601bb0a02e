-- What runs later: who may touch the tables of procrastinate (made before this by the library's own SQL), and what jobs need.

do $$
declare t text;
begin
    foreach t in array array['procrastinate_jobs', 'procrastinate_events', 'procrastinate_periodic_defers', 'procrastinate_workers'] loop
        execute format('alter table %I enable row level security', t);
        execute format('create policy network on %I using ((select scope_network())) with check ((select scope_network()))', t);
        execute format('grant select, insert, update, delete on %I to hutong_app', t);
    end loop;
end $$;
grant usage on all sequences in schema public to hutong_app;

grant delete on webhook_delivery to hutong_app;

-- Webhooks begin here: an event before this is nobody's, each one after it is told to whoever has subscribed by then.
insert into event_cursor (name, snapshot) values ('webhooks', pg_current_snapshot());

-- Drops the days of the event log that ended more than so many days ago and that every cursor has passed; answers their tables.
-- A cursor knows all that was committed before it moved; a day is the longest that a transaction may take (platform/tail.py).
create or replace function drop_log_days(keep_days integer) returns text[] language plpgsql security definer
    set search_path = public, pg_temp set timezone = 'UTC' set lock_timeout = '2s' as $$
declare part text; last timestamptz; dropped text[] := '{}';
begin
    if keep_days < 7 then raise exception 'events are kept for at least 7 days' using errcode = '22023'; end if;
    select least(min(moved_at) - interval '1 day', now() - make_interval(days => keep_days)) into last from event_cursor;
    for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'event'::regclass order by 1 loop
        if part ~ '^event_[0-9]{8}$' and (to_date(right(part, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC' <= last then
            execute format('drop table %I', part);
            dropped := dropped || part;
        end if;
    end loop;
    return dropped;
end $$;
