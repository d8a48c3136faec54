{{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="visit_id") }}

-- depends_on: {{ ref("raw_visits") }}
-- (The seed makes the source's table. Only the example needs this line.)

-- The first run takes everything up to the end of its interval; each later run takes its own interval only.
-- delete+insert on visit_id makes it idempotent: an interval that runs twice leaves the same rows.
select
    visit_id,
    customer_id,
    channel,
    visited_at,
    date_trunc('hour', visited_at) as visit_hour
from {{ source("raw", "visits") }}
where visited_at < {{ interval_end() }}
{% if is_incremental() %}
    and visited_at >= {{ interval_start() }}
{% endif %}
