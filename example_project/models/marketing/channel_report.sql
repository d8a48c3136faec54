select
    channels.channel,
    channels.weekly_cost_eur,
    coalesce(sum(conversion.visits), 0) as visits,
    coalesce(sum(conversion.orders), 0) as orders,
    coalesce(sum(conversion.value_eur), 0) as value_eur
from {{ ref("channels") }} as channels
left join {{ ref("conversion") }} as conversion
    on channels.channel = conversion.channel
    and conversion.visit_date >= {{ interval_start() }}
    and conversion.visit_date < {{ interval_end() }}
group by channels.channel, channels.weekly_cost_eur
