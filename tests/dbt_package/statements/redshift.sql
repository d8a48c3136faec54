-- ttl by an instant
delete from "Shop"."main"."order"
where "Seen At" < cast('2026-03-21 04:00:00.000000+00:00' as timestamptz);

-- ttl by a time without a zone
delete from "Shop"."main"."order"
where "local_at" < cast('2026-03-21 04:00:00.000000' as timestamp);

-- ttl by a date
delete from "Shop"."main"."order"
where "day" < cast('2026-03-21' as date)
  and (note = 'x' or id < 5 -- why
);

-- ttl by force
delete from "Shop"."main"."order"
where (id in (select 1)
);

-- ttl by a text
-- refused: ttl needs a date or timestamp column, and 'note' of "Shop"."main"."order" is text. Make the model cast it, or say in `force_predicate` which rows go.

-- deduplicate
select coalesce(sum(copies.copies_of_key - 1), 0) as surplus
from (
  select count(*) as copies_of_key
  from "Shop"."main"."order"
  where "id" is not null and "day" is not null
  group by "id", "day"
  having count(*) > 1
) as copies;
begin;
create temporary table dbt_af_k8s_kept as
select *
  from (
    select
      "id",
      "Seen At",
      "local_at",
      "day",
      "note",
      "nested",
      row_number() over (partition by "id", "day" order by "Seen At" desc nulls last, "local_at" asc nulls last, "note" asc nulls last) as dbt_af_k8s_row,
      count(*) over (partition by "id", "day") as dbt_af_k8s_rows
    from "Shop"."main"."order"
    where "id" is not null and "day" is not null
  ) as ranked
  where dbt_af_k8s_row = 1 and dbt_af_k8s_rows > 1;
delete from "Shop"."main"."order"
using dbt_af_k8s_kept
where "Shop"."main"."order"."id" = dbt_af_k8s_kept."id"
  and "Shop"."main"."order"."day" = dbt_af_k8s_kept."day";
insert into "Shop"."main"."order" ("id", "Seen At", "local_at", "day", "note", "nested")
select "id", "Seen At", "local_at", "day", "note", "nested"
from dbt_af_k8s_kept;
drop table dbt_af_k8s_kept;
commit;

-- vacuum
vacuum delete only "Shop"."main"."order";
analyze "Shop"."main"."order";

-- optimize
vacuum sort only "Shop"."main"."order";

-- persist docs
comment on table "Shop"."main"."order" is 'It''s the shop''s \\ orders';
comment on column "Shop"."main"."order"."id" is 'The ''key''';
