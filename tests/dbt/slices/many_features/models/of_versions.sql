select a.price, b.price as old from {{ ref('priced') }} a join {{ ref('priced', v=1) }} b using (id)
