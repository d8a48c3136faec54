{% for t in ['colours', 'sizes'] %}select id from {{ ref(t) }} {{ 'union all' if not loop.last }} {% endfor %}
