-- Balances, and the close of days: what was so at the end of a day stays so, and a balance costs the entries since then.

-- An account's balance at the end of a day (null: now): that of the last counted day before it, plus what was booked since.
create or replace function ledger_balance(account integer, at_end_of date default null) returns bigint language sql stable parallel safe as $$
    select coalesce((select d.balance from account_day d where d.account_id = a.id and (at_end_of is null or d.day <= at_end_of)
                     order by d.day desc limit 1), 0)
         + coalesce((select sum(e.amount) from entry e where e.account_id = a.id and not e.pending
                     and e.booked_on > coalesce(c.day, '-infinity') and (at_end_of is null or e.booked_on <= at_end_of)), 0)
    from account a left join lateral (
        select max(d.day) as day from ledger_day d where d.retailer_id = a.retailer_id and d.step = 'counted') c on true
    where a.id = account $$;

-- Closes a retailer's books up to and with this day; answers whether they were open. Waits for postings that are on their way, and
-- holds off new ones for the length of this one statement and its commit.
create or replace function ledger_close(retailer integer, last_day date) returns boolean language plpgsql set lock_timeout = '5s' as $$
begin
    if last_day >= current_date then raise exception 'only a day that is over can be closed' using errcode = '22023'; end if;
    perform pg_advisory_xact_lock(7406030);
    if exists (select from ledger_day d where d.retailer_id = retailer and d.step = 'closed' and d.day >= last_day) then return false; end if;
    insert into ledger_day (retailer_id, step, day) values (retailer, 'closed', last_day);
    return true;
end $$;

-- Counts the days that are closed and not counted; answers how many balances were written. Nothing can be booked on them any more,
-- so postings need not wait for it.
create or replace function ledger_count(retailer integer) returns bigint language plpgsql set enable_seqscan = off as $$
declare before date; last_day date; written bigint;
begin
    perform pg_advisory_xact_lock(7406031, retailer);
    select max(d.day) filter (where d.step = 'counted'), max(d.day) filter (where d.step = 'closed') into before, last_day
    from ledger_day d where d.retailer_id = retailer;
    if last_day is null or last_day <= before then return 0; end if;
    insert into ledger_day (retailer_id, step, day) values (retailer, 'counted', last_day);
    insert into account_day (account_id, day, retailer_id, balance, entries)
    select a.id, e.booked_on, retailer,
           coalesce(k.balance, 0) + sum(e.amount) over (partition by a.id order by e.booked_on), e.entries
    from account a
    cross join lateral (select e.booked_on, sum(e.amount)::bigint as amount, count(*) as entries from entry e
                        where e.account_id = a.id and not e.pending and e.booked_on > coalesce(before, '-infinity') and e.booked_on <= last_day
                        group by 1) e
    left join lateral (select d.balance from account_day d where d.account_id = a.id order by d.day desc limit 1) k on true
    where a.retailer_id = retailer;
    get diagnostics written = row_count;
    return written;
end $$;

-- Sales are booked from the beginning of the event log on (sales/books.py); what is older, `hutong ledger book` finds.
insert into event_cursor (name, snapshot, moved_at) select 'books', '3:3:', coalesce(min(at), now()) from event;
