"""What must be true of the ledger at every moment, each as a query for whatever breaks it; ``hutong ledger check`` runs them."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from hutong.platform.database import Database
from hutong.platform.scope import Scope

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule. ``broken`` answers a row (``place``, ``expected``, ``found``) for each thing that breaks it, ``looked_at`` how many could.

    ``mend`` says what to do. A rule about tables that are not there (``needs``) is passed over.
    """

    name: str
    looked_at: str
    broken: str
    mend: str
    needs: str = "posting"


@dataclass(frozen=True, slots=True)
class Offender:
    """Something that breaks a rule."""

    place: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one rule: how many things it holds for, how many break it, and the first of these."""

    invariant: Invariant
    looked_at: int
    broken: int
    first: tuple[Offender, ...]


_NEVER = "It cannot come from the program: restore the back-up from before it, and find out who has changed the database by hand."

INVARIANTS = (
    Invariant(
        "the trial balance of each retailer and currency is zero",
        "select count(*) from (select distinct retailer_id, currency from account) a",
        """select 'retailer ' || retailer_id || ' in ' || currency as place, '0' as expected, sum(amount)::text as found from entry
           where not pending group by retailer_id, currency having sum(amount) <> 0""",
        _NEVER,
    ),
    Invariant(
        "every posting balances",
        "select count(*) from posting",
        """select kind || ' ' || id as place, 'entries that sum to 0' as expected, amounts::text as found from posting
           where case state when 'void' then cardinality(accounts) + cardinality(amounts) + cardinality(stores) <> 0
                 else not ledger_balanced(accounts, amounts, stores) end""",
        _NEVER,
    ),
    Invariant(
        "the entries are those of their postings, on accounts of their retailer and currency",
        "select count(*) from entry",
        """with p as (select p.retailer_id, p.id, e.line::smallint as line, concat_ws(' ', e.account, e.amount, p.currency, e.store, p.booked_on, p.state = 'pending') as says
                      from posting p cross join lateral unnest(p.accounts, p.amounts, p.stores) with ordinality e (account, amount, store, line)),
           e as (select e.retailer_id, e.posting_id as id, e.line,
                        concat_ws(' ', case when a.retailer_id = e.retailer_id and a.currency = e.currency then e.account_id end, e.amount, e.currency,
                                  e.store_id, e.booked_on, e.pending) as says
                 from entry e left join account a on a.id = e.account_id)
           select concat_ws('/', id, line) as place, coalesce(p.says, 'none') as expected, coalesce(e.says, 'none') as found
           from p full join e using (retailer_id, id, line) where p.says is distinct from e.says""",
        _NEVER,
    ),
    Invariant(
        "ids are those of their idempotency texts, and no text is there twice",
        "select count(*) from posting",
        """select kind || ' ' || id as place, ledger_id(id, idempotency)::text as expected, id::text as found from posting
           where id <> ledger_id(id, idempotency)
           union all
           select 'retailer ' || retailer_id || ': ' || idempotency, 'one posting', count(*) || ' postings' from posting
           group by retailer_id, idempotency having count(*) > 1""",
        "What has written the text twice took two times for it: correct the second by a posting of its mirror image.",
    ),
    Invariant(
        "pending postings are resolved at most once, and within their amounts",
        "select count(*) from posting where state = 'pending'",
        """with r as (select r.retailer_id, r.pending_of, count(*) as times,
                             sum((select sum(a) from unnest(r.amounts) a where a > 0)) as amount
                      from posting r where r.pending_of is not null or r.state in ('post', 'void') group by 1, 2)
           select 'pending ' || coalesce(r.pending_of::text, 'null') as place,
                  case when p.id is null then 'a pending posting'
                       else 'resolved once, at most ' || (select sum(a) from unnest(p.amounts) a where a > 0) end as expected,
                  case when p.id is null then 'none' else r.times || ' times, ' || coalesce(r.amount, 0) end as found
           from r left join posting p on p.retailer_id = r.retailer_id and p.id = r.pending_of and p.state = 'pending'
           where p.id is null or r.times > 1 or r.amount > (select sum(a) from unnest(p.amounts) a where a > 0)""",
        _NEVER,
    ),
    Invariant(
        "the balances of closed days are those of their entries",
        "select count(*) from account_day",
        """with counted as (select retailer_id, max(day) as day from ledger_day where step = 'counted' group by 1),
           made as (select e.account_id, e.booked_on as day, sum(sum(e.amount)) over (partition by e.account_id order by e.booked_on) as balance,
                           count(*) as entries
                    from entry e join account a on a.id = e.account_id join counted c on c.retailer_id = a.retailer_id and e.booked_on <= c.day
                    where not e.pending group by 1, 2)
           select concat_ws(' ', coalesce((select code from account where id = account_id), account_id::text), day) as place,
                  concat_ws(' ', made.balance, 'of', made.entries) as expected, concat_ws(' ', d.balance, 'of', d.entries) as found
           from made full join account_day d using (account_id, day)
           where (made.balance, made.entries) is distinct from (d.balance, d.entries)""",
        _NEVER,
    ),
)


async def check(database: Database, invariants: Iterable[Invariant] = INVARIANTS) -> AsyncIterator[Finding]:
    """What becomes of each rule, all in one snapshot, so it may run while postings come in."""
    async with database.read(Scope.of_network()) as reader:
        await reader.execute("select set_config('statement_timeout', '0', true)")
        for invariant in invariants:
            if await reader.value("select to_regclass(:name) is null", name=invariant.needs):
                continue
            rows = await reader.rows(
                f"select place, expected, found, count(*) over () as broken from ({invariant.broken}) b order by place limit {SHOWN}"
            )
            looked_at = await reader.value(invariant.looked_at)
            first = tuple(Offender(row.place, row.expected, row.found) for row in rows)
            yield Finding(invariant, int(looked_at or 0), rows[0].broken if rows else 0, first)
