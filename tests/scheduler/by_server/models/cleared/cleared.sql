{{ hold('cleared') }} select 1 as id
