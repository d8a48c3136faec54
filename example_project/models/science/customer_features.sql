select
    customers.customer_id,
    count(orders.order_id) as orders,
    coalesce(sum(orders.value_eur), 0) as value_eur,
    max(orders.ordered_at) as last_ordered_at
from {{ ref("customers") }} as customers
left join {{ ref("orders") }} as orders using (customer_id)
group by customers.customer_id
