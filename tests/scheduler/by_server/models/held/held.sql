{{ hold('held') }} select 1 as id
