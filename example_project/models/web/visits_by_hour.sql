{{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="visit_hour") }}

-- For the screen in the office, which shows three days. Older hours go by maintenance; see _web.yml.
select
    visit_hour,
    channel,
    count(*) as visits
from {{ ref("visits") }}
{% if is_incremental() %}
    where visit_hour >= {{ interval_start() }}
    and visit_hour < {{ interval_end() }}
{% endif %}
group by visit_hour, channel
