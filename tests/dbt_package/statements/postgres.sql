-- ttl by an instant
delete from "Shop"."main"."order"
where "Seen At" < cast('2026-03-21 04:00:00.000000+00:00' as timestamp with time zone);

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
delete from "Shop"."main"."order"
where (tableoid, ctid) in (
  select tableoid, ctid
  from (
    select
      tableoid, ctid,
      row_number() over (partition by "id", "day" order by "Seen At" desc nulls last, cast("local_at" as text) asc nulls last, cast("note" as text) asc nulls last, cast("nested" as text) asc nulls last) as dbt_af_k8s_row
    from "Shop"."main"."order"
    where "id" is not null and "day" is not null
  ) as ranked
  where dbt_af_k8s_row > 1
);

-- vacuum
vacuum (analyze) "Shop"."main"."order";

-- optimize
-- refused: The maintenance operation 'optimize' does not exist on postgres: PostgreSQL has `vacuum`, and an index for the order of reading.

-- persist docs
comment on table "Shop"."main"."order" is 'It''s the shop''s \ orders';
comment on column "Shop"."main"."order"."id" is 'The ''key''';
