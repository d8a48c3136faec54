select 1 as id, timestamp '2026-01-11 05:00' as at union all select 2, timestamp '2026-01-13 05:00'
