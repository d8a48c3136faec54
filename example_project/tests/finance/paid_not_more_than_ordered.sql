-- Nobody pays more than the order is worth. A row here is a failure.
select *
from {{ ref("revenue_by_day") }}
where paid_eur > ordered_eur
