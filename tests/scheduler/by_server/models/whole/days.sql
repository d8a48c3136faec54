{{ config(materialized="incremental") }}
-- depends_on: {{ source("raw", "events") }}
select cast('{{ var("start_dttm", "2000-01-01T00:00:00+00:00") }}' as timestamptz) as day, '{{ var("by", "plan") }}' as asked
