{{ config(alias='another_name') }} select * from {{ ref('far') }}
