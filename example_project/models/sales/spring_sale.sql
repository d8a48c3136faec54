-- Only in March; see the enable window in _sales.yml.
select
    order_date,
    count(*) as orders,
    sum(value_eur) as value_eur
from {{ ref("orders") }}
group by order_date
