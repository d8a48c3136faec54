{{ config(materialized='incremental', unique_key='id') }} select id, size from {{ ref('sizes') }}{% if is_incremental() %} where id > (select min(id) from {{ this }}){% endif %}
