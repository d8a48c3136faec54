{#- The three ways to leave one row of each key. -#}

{# Where rows have an id of their own: delete by it. #}
{% macro delete_by_row_id_sql(relation, keys, order, row_id) %}
  {% set sql %}
delete from {{ relation }}
where ({{ row_id }}) in (
  select {{ row_id }}
  from (
    select
      {{ row_id }},
      row_number() over (partition by {{ keys | join(', ') }} order by {{ order | join(', ') }}) as dbt_af_k8s_row
    from {{ relation }}
    where {{ keys | join(' is not null and ') }} is not null
  ) as ranked
  where dbt_af_k8s_row > 1
)
  {% endset %}
  {{ return(sql | trim) }}
{% endmacro %}


{# The row to keep of every key that has more than one. #}
{% macro kept_rows_sql(relation, columns, keys, order) %}
  {% set sql %}
select *
  from (
    select
      {%- for column in columns %}
      {{ dbt_af_k8s.quoted(column.name) }},
      {%- endfor %}
      row_number() over (partition by {{ keys | join(', ') }} order by {{ order | join(', ') }}) as dbt_af_k8s_row,
      count(*) over (partition by {{ keys | join(', ') }}) as dbt_af_k8s_rows
    from {{ relation }}
    where {{ keys | join(' is not null and ') }} is not null
  ) as ranked
  where dbt_af_k8s_row = 1 and dbt_af_k8s_rows > 1
  {% endset %}
  {{ return(sql | trim) }}
{% endmacro %}


{#-
  Where rows have no id, but MERGE is one atomic statement: each kept row comes twice, once as `delete`, which matches
  all rows of its key, and once as `insert`, which matches none and so is put back.
-#}
{% macro merge_sql(relation, columns, keys, order) %}
  {% set sql %}
merge into {{ relation }} as maintained
using (
  select actions.dbt_af_k8s_action, kept.*
  from (
  {{ dbt_af_k8s.kept_rows_sql(relation, columns, keys, order) }}
  ) as kept
  cross join (
    select 'delete' as dbt_af_k8s_action
    union all
    select 'insert' as dbt_af_k8s_action
  ) as actions
) as changes
on changes.dbt_af_k8s_action = 'delete'
  {%- for key in keys %}
  and maintained.{{ key }} = changes.{{ key }}
  {%- endfor %}
when matched then delete
when not matched and changes.dbt_af_k8s_action = 'insert' then insert (
  {%- for column in columns %}
  {{ dbt_af_k8s.quoted(column.name) }}{{ ',' if not loop.last }}
  {%- endfor %}
) values (
  {%- for column in columns %}
  changes.{{ dbt_af_k8s.quoted(column.name) }}{{ ',' if not loop.last }}
  {%- endfor %}
)
  {% endset %}
  {{ return(sql | trim) }}
{% endmacro %}


{#-
  Where neither is there: put the kept rows aside, delete all rows of their keys, put them back, in one transaction. It
  is begun and ended by statements, because dbt leaves that out for connections that commit by themselves.
-#}
{% macro replace_in_transaction_sql(relation, columns, keys, order) %}
  {% set names = [] %}
  {% for column in columns %}
    {% do names.append(dbt_af_k8s.quoted(column.name)) %}
  {% endfor %}
  {% set matches = [] %}
  {% for key in keys %}
    {% do matches.append(relation ~ '.' ~ key ~ ' = dbt_af_k8s_kept.' ~ key) %}
  {% endfor %}
  {{ return([
    'begin',
    'create temporary table dbt_af_k8s_kept as\n' ~ dbt_af_k8s.kept_rows_sql(relation, columns, keys, order),
    'delete from ' ~ relation ~ '\nusing dbt_af_k8s_kept\nwhere ' ~ matches | join('\n  and '),
    'insert into ' ~ relation ~ ' (' ~ names | join(', ') ~ ')\nselect ' ~ names | join(', ') ~ '\nfrom dbt_af_k8s_kept',
    'drop table dbt_af_k8s_kept',
    'commit',
  ]) }}
{% endmacro %}
