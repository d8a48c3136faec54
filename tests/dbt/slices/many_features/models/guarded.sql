{{ config(group='makers') }} select * from {{ ref('kept') }}
