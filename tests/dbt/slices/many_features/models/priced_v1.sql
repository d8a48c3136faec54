select id, size as price from {{ ref('sizes') }}
