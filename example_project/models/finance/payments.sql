-- depends_on: {{ ref("raw_payments") }}

select
    payment_id,
    order_id,
    amount_eur,
    method,
    paid_at
from {{ source("raw", "payments") }}
where paid_at < {{ interval_end() }}
