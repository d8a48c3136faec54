select id, name, '{{ var("start_dttm") }}' as since from {{ ref('colours') }}
