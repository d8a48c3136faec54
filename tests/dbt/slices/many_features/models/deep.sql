{{ config(materialized='ephemeral') }} select id, {{ cents('size') }} as size from {{ ref('sizes') }}
