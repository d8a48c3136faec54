select id, size + 1 as price from {{ ref('sizes') }}
