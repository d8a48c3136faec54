select p.name, d.size from {{ ref('deeper') }} d join {{ ref('plain') }} p using (id)
