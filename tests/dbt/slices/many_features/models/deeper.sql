{{ config(materialized='ephemeral') }} select * from {{ ref('deep') }} where id < 3
