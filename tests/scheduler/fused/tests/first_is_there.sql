select * from {{ ref('first') }} where id is null
