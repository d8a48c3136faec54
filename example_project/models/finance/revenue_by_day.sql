select
    orders.order_date,
    count(*) as orders,
    sum(orders.value_eur) as ordered_eur,
    coalesce(sum(payments.amount_eur), 0) as paid_eur
from {{ ref("orders") }} as orders
left join {{ ref("payments") }} as payments using (order_id)
group by orders.order_date
