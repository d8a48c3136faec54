select * from {{ ref('helper', 'lent') }} where '{{ var("flavour") }}' = 'plain'
