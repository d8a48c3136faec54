{{ hold('marked') }} select 1 as id
