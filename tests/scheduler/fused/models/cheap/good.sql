select * from {{ ref('second') }}
