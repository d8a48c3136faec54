select
    order_id,
    visit_id,
    customer_id,
    product_id,
    quantity,
    value_eur,
    ordered_at,
    cast(ordered_at as date) as order_date
from {{ ref("order_values") }}
