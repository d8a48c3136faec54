select
    order_id,
    customer_id,
    value_eur,
    ordered_at
from {{ ref("order_values") }}
