{#-
  Deletes the rows whose time is strictly before `expiration_timeout` days before `as_of`.

  model                 unique_id of the model, seed or snapshot
  as_of                 ISO 8601 with offset: the end of the data interval
  key                   a column of type date or timestamp; rows where it is null stay
  expiration_timeout    days, of 24 hours each
  additional_predicate  SQL of the project: only rows for which it holds as well
  force_predicate       SQL of the project, in place of everything above

    dbt run-operation dbt_af_k8s.ttl --args
      '{model: model.shop.orders, key: ordered_at, expiration_timeout: 90, as_of: "2026-01-31T00:00:00+00:00"}'
-#}
{% macro ttl(model, as_of=none, key=none, expiration_timeout=none, additional_predicate=none, force_predicate=none) %}
  {% set relation = dbt_af_k8s.maintained_relation(dbt_af_k8s.maintained_node(model)) %}
  {% if relation is none %}
    {% do dbt_af_k8s.log_result('ttl', model, none, 'not built', {'rows_deleted': 0}) %}
    {{ return('') }}
  {% endif %}
  {% do dbt_af_k8s.require_table('ttl', model, relation) %}
  {% if force_predicate %}
    {% set moment = none %}
    {% set predicate = '(' ~ force_predicate ~ '\n)' %}
  {% else %}
    {% set moment = dbt_af_k8s.cutoff(as_of, expiration_timeout) %}
    {% set predicate = dbt_af_k8s.expired(relation, key, moment) %}
    {% if additional_predicate %}
      {% set predicate = predicate ~ '\n  and (' ~ additional_predicate ~ '\n)' %}
    {% endif %}
  {% endif %}
  {% set rows = dbt_af_k8s.run_in_transaction([dbt_af_k8s.ttl_sql(relation, predicate)]) %}
  {% do dbt_af_k8s.log_result('ttl', model, relation, 'done', {
    'rows_deleted': rows[0],
    'cutoff': moment.isoformat() if moment is not none else none,
  }) %}
{% endmacro %}


{# The condition that a row is older than the moment. Null is older than nothing, so such rows stay. #}
{% macro expired(relation, key, moment) %}
  {% if not key %}
    {% do exceptions.raise_compiler_error("ttl needs `key`, the column with the time of a row, or `force_predicate`.") %}
  {% endif %}
  {% set column = dbt_af_k8s.existing_column(relation, adapter.get_columns_in_relation(relation), key) %}
  {% set kind = dbt_af_k8s.time_kind(column.data_type) %}
  {% if kind is none %}
    {% do exceptions.raise_compiler_error(
      "ttl needs a date or timestamp column, and '" ~ column.name ~ "' of " ~ relation ~ " is " ~ column.data_type
      ~ ". Make the model cast it, or say in `force_predicate` which rows go.") %}
  {% endif %}
  {{ return(dbt_af_k8s.quoted(column.name) ~ ' < ' ~ dbt_af_k8s.time_literal(kind, moment)) }}
{% endmacro %}


{% macro ttl_sql(relation, predicate) %}
  {{ return(adapter.dispatch('ttl_sql', 'dbt_af_k8s')(relation, predicate)) }}
{% endmacro %}

{% macro default__ttl_sql(relation, predicate) %}
  {% do dbt_af_k8s.not_on_this_adapter('ttl', 'this package has no statement for it.') %}
{% endmacro %}

{% macro duckdb__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro postgres__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro snowflake__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro bigquery__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro spark__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro trino__ttl_sql(relation, predicate) %}
  {{ return(dbt_af_k8s.delete_sql(relation, predicate)) }}
{% endmacro %}

{% macro delete_sql(relation, predicate) %}
  {{ return('delete from ' ~ relation ~ '\nwhere ' ~ predicate) }}
{% endmacro %}
