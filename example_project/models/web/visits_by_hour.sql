select
    visit_hour,
    channel,
    count(*) as visits
from {{ ref("visits") }}
group by visit_hour, channel
