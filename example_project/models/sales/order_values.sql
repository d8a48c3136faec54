{{ config(materialized="ephemeral") }}

-- depends_on: {{ ref("raw_orders") }}

select
    orders.order_id,
    orders.visit_id,
    orders.customer_id,
    orders.product_id,
    orders.quantity,
    orders.quantity * products.price_eur as value_eur,
    orders.ordered_at
from {{ source("raw", "orders") }} as orders
join {{ ref("products") }} as products using (product_id)
where orders.ordered_at < {{ interval_end() }}
