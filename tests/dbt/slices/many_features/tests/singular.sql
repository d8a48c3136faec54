select * from {{ ref('deeper') }} where size > 5000
