select {{ helper.ten() }} as ten from {{ ref('helper_seed') }}
