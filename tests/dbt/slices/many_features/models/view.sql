{{ config(materialized='view', tags=['a']) }} select * from {{ ref('plain') }}
