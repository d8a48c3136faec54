-- ttl by an instant
delete from "Shop"."main"."order"
where "Seen At" < timestamp '2026-03-21 04:00:00.000000 +00:00';

-- ttl by a time without a zone
delete from "Shop"."main"."order"
where "local_at" < timestamp '2026-03-21 04:00:00.000000';

-- ttl by a date
delete from "Shop"."main"."order"
where "day" < date '2026-03-21'
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
merge into "Shop"."main"."order" as maintained
using (
  select actions.dbt_af_k8s_action, kept.*
  from (
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
  where dbt_af_k8s_row = 1 and dbt_af_k8s_rows > 1
  ) as kept
  cross join (
    select 'delete' as dbt_af_k8s_action
    union all
    select 'insert' as dbt_af_k8s_action
  ) as actions
) as changes
on changes.dbt_af_k8s_action = 'delete'
  and maintained."id" = changes."id"
  and maintained."day" = changes."day"
when matched then delete
when not matched and changes.dbt_af_k8s_action = 'insert' then insert (
  "id",
  "Seen At",
  "local_at",
  "day",
  "note",
  "nested"
) values (
  changes."id",
  changes."Seen At",
  changes."local_at",
  changes."day",
  changes."note",
  changes."nested"
);

-- vacuum
alter table "Shop"."main"."order" execute expire_snapshots(retention_threshold => '7d');
alter table "Shop"."main"."order" execute remove_orphan_files(retention_threshold => '7d');

-- optimize
alter table "Shop"."main"."order" execute optimize;

-- persist docs
comment on table "Shop"."main"."order" is 'It''s the shop''s \ orders';
comment on column "Shop"."main"."order"."id" is 'The ''key''';
