-- Daily, of an hourly model: it waits for all 24 hours of visits (see `dependencies` in _sales.yml).
select
    cast(visits.visited_at as date) as visit_date,
    visits.channel,
    count(distinct visits.visit_id) as visits,
    count(orders.order_id) as orders,
    coalesce(sum(orders.value_eur), 0) as value_eur
from {{ ref("visits") }} as visits
left join {{ ref("orders") }} as orders using (visit_id)
group by visit_date, visits.channel
