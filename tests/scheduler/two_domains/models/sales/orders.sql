select 7 as amount, cast('{{ var("start_dttm", "2000-01-01T00:00:00+00:00") }}' as timestamptz) as day
