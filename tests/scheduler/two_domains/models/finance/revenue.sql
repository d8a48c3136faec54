select sum(amount) as amount, max(day) as day from {{ ref('orders') }}
