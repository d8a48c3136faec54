{#-
  Keeps one row of each key: the first in the given order, nulls last; where that order leaves a tie, the first by all
  other columns. Rows with a null in the key stay, as they have no key.

  model       unique_id of the model, seed or snapshot
  unique_key  a column, or a list of columns
  order_by    a column, or a list of columns, each with `asc` (the default) or `desc` after it

    dbt run-operation dbt_af_k8s.deduplicate --args
      '{model: model.shop.orders, unique_key: [order_id], order_by: [updated_at desc]}'
-#}
{% macro deduplicate(model, unique_key, order_by=[]) %}
  {% set relation = dbt_af_k8s.maintained_relation(dbt_af_k8s.maintained_node(model)) %}
  {% if relation is none %}
    {% do dbt_af_k8s.log_result('deduplicate', model, none, 'not built', {'rows_deleted': 0}) %}
    {{ return('') }}
  {% endif %}
  {% do dbt_af_k8s.require_table('deduplicate', model, relation) %}
  {% set columns = adapter.get_columns_in_relation(relation) %}
  {% set keys = dbt_af_k8s.key_columns(relation, columns, [unique_key] if unique_key is string else unique_key) %}
  {% set order = dbt_af_k8s.order_terms(relation, columns, keys, [order_by] if order_by is string else order_by) %}
  {% set statements = dbt_af_k8s.deduplicate_sql(relation, columns, keys, order) %}
  {% set surplus = dbt_af_k8s.surplus_rows(relation, keys) %}
  {% set counts = dbt_af_k8s.run_in_transaction(statements) if surplus > 0 else [] %}
  {#- A MERGE and a transaction also count the rows that they put back; the number from before is told for them. -#}
  {% set rows = counts[0] if counts | length == 1 and statements[0].startswith('delete') else surplus %}
  {% do dbt_af_k8s.log_result('deduplicate', model, relation, 'done', {'rows_deleted': rows}) %}
{% endmacro %}


{# The key's columns, quoted. #}
{% macro key_columns(relation, columns, names) %}
  {% set keys = [] %}
  {% for name in names or [] %}
    {% do keys.append(dbt_af_k8s.quoted(dbt_af_k8s.existing_column(relation, columns, name).name)) %}
  {% endfor %}
  {% if not keys %}
    {% do exceptions.raise_compiler_error("deduplicate needs `unique_key`, the columns that make a row the same row.") %}
  {% endif %}
  {{ return(keys) }}
{% endmacro %}


{# The whole order in which the first row of a key is kept: what was asked for, then every other column. #}
{% macro order_terms(relation, columns, keys, order_by) %}
  {% set terms = [] %}
  {% set used = keys | list %}
  {% for term in order_by or [] %}
    {% set parts = modules.re.match('(?is)^(.*?)(?:[ ]+(asc|desc))?$', term | trim) %}
    {% set name = dbt_af_k8s.quoted(dbt_af_k8s.existing_column(relation, columns, parts.group(1)).name) %}
    {% do terms.append(name ~ ' ' ~ (parts.group(2) or 'asc') | lower ~ ' nulls last') %}
    {% do used.append(name) %}
  {% endfor %}
  {% for column in columns if dbt_af_k8s.quoted(column.name) not in used %}
    {% set value = dbt_af_k8s.tie_break(column) %}
    {% if value is not none %}
      {% do terms.append(value ~ ' asc nulls last') %}
    {% endif %}
  {% endfor %}
  {{ return(terms or keys) }}
{% endmacro %}


{# A value of the column that can be sorted, or none where it has none. #}
{% macro tie_break(column) %}
  {{ return(adapter.dispatch('tie_break', 'dbt_af_k8s')(column)) }}
{% endmacro %}

{% macro default__tie_break(column) %}
  {% set nested = '(?i)(struct|array|map|row|record|json|variant|object|super|geo|hll|interval|binary|bytes|repeated|<)' %}
  {% if modules.re.search(nested, column.data_type) %}
    {{ return(none) }}
  {% endif %}
  {{ return(dbt_af_k8s.quoted(column.name)) }}
{% endmacro %}

{# Every type has a text here, also those without an order, such as json. #}
{% macro duckdb__tie_break(column) %}
  {{ return('cast(' ~ dbt_af_k8s.quoted(column.name) ~ ' as varchar)') }}
{% endmacro %}

{% macro postgres__tie_break(column) %}
  {{ return('cast(' ~ dbt_af_k8s.quoted(column.name) ~ ' as text)') }}
{% endmacro %}

{% macro redshift__tie_break(column) %}
  {{ return(dbt_af_k8s.default__tie_break(column)) }}
{% endmacro %}


{# How many rows are there besides one of each key. #}
{% macro surplus_rows(relation, keys) %}
  {{ return(run_query(dbt_af_k8s.surplus_sql(relation, keys)).rows[0][0] | int) }}
{% endmacro %}

{% macro surplus_sql(relation, keys) %}
  {% set sql %}
select coalesce(sum(copies.copies_of_key - 1), 0) as surplus
from (
  select count(*) as copies_of_key
  from {{ relation }}
  where {{ keys | join(' is not null and ') }} is not null
  group by {{ keys | join(', ') }}
  having count(*) > 1
) as copies
  {% endset %}
  {{ return(sql | trim) }}
{% endmacro %}


{# A list of statements that leave one row of each key: one statement, or a transaction of its own. #}
{% macro deduplicate_sql(relation, columns, keys, order) %}
  {{ return(adapter.dispatch('deduplicate_sql', 'dbt_af_k8s')(relation, columns, keys, order)) }}
{% endmacro %}

{% macro default__deduplicate_sql(relation, columns, keys, order) %}
  {% do dbt_af_k8s.not_on_this_adapter('deduplicate', 'this package has no statement for it.') %}
{% endmacro %}

{% macro duckdb__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.delete_by_row_id_sql(relation, keys, order, 'rowid')]) }}
{% endmacro %}

{# In a partitioned table `ctid` is unique in a partition only. #}
{% macro postgres__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.delete_by_row_id_sql(relation, keys, order, 'tableoid, ctid')]) }}
{% endmacro %}

{% macro snowflake__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.merge_sql(relation, columns, keys, order)]) }}
{% endmacro %}

{% macro bigquery__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.merge_sql(relation, columns, keys, order)]) }}
{% endmacro %}

{% macro spark__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.merge_sql(relation, columns, keys, order)]) }}
{% endmacro %}

{% macro trino__deduplicate_sql(relation, columns, keys, order) %}
  {{ return([dbt_af_k8s.merge_sql(relation, columns, keys, order)]) }}
{% endmacro %}

{% macro redshift__deduplicate_sql(relation, columns, keys, order) %}
  {{ return(dbt_af_k8s.replace_in_transaction_sql(relation, columns, keys, order)) }}
{% endmacro %}
