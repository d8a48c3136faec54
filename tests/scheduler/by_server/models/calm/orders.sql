{% set start = var("start_dttm", "2000-01-01T00:00:00+00:00") %}
select id, cast('{{ start }}' as timestamptz) - to_days(cast(30 * id as integer)) as day from range(2) as t (id)
