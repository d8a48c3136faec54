-- depends_on: {{ ref("raw_payments") }}

select
    payments.payment_id,
    payments.order_id,
    payments.amount_eur,
    payments.amount_eur >= orders.value_eur as is_full,
    payments.method,
    payments.paid_at
from {{ source("raw", "payments") }} as payments
left join {{ ref("orders") }} as orders using (order_id)
where payments.paid_at < {{ interval_end() }}
