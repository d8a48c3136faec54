{#- Gives the space of deleted rows back, and refreshes the planner's statistics where that is one command. -#}
{% macro vacuum(model) %}
  {% set node = dbt_af_k8s.maintained_node(model) %}
  {% do dbt_af_k8s.run_upkeep('vacuum', model, node, dbt_af_k8s.vacuum_sql) %}
{% endmacro %}


{# Runs the statements that `statements(relation, node)` gives, each by itself. #}
{% macro run_upkeep(operation, model, node, statements) %}
  {% set relation = dbt_af_k8s.maintained_relation(node) %}
  {% if relation is none %}
    {% do dbt_af_k8s.log_result(operation, model, none, 'not built') %}
    {{ return('') }}
  {% endif %}
  {% do dbt_af_k8s.require_table(operation, model, relation) %}
  {% do dbt_af_k8s.run_outside_transaction(statements(relation, node)) %}
  {% do dbt_af_k8s.log_result(operation, model, relation, 'done') %}
{% endmacro %}


{# A list of statements that cannot be in a transaction. #}
{% macro vacuum_sql(relation, node) %}
  {{ return(adapter.dispatch('vacuum_sql', 'dbt_af_k8s')(relation, node)) }}
{% endmacro %}

{% macro default__vacuum_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('vacuum', 'this package has no statement for it.') %}
{% endmacro %}

{# DuckDB frees the blocks of deleted rows in a checkpoint, which is for the whole database. #}
{% macro duckdb__vacuum_sql(relation, node) %}
  {{ return(['vacuum analyze ' ~ relation, 'checkpoint ' ~ dbt_af_k8s.quoted(relation.database)]) }}
{% endmacro %}

{% macro postgres__vacuum_sql(relation, node) %}
  {{ return(['vacuum (analyze) ' ~ relation]) }}
{% endmacro %}

{% macro redshift__vacuum_sql(relation, node) %}
  {{ return(['vacuum delete only ' ~ relation, 'analyze ' ~ relation]) }}
{% endmacro %}

{% macro spark__vacuum_sql(relation, node) %}
  {% do dbt_af_k8s.require_delta('vacuum', node) %}
  {{ return(['vacuum ' ~ relation]) }}
{% endmacro %}

{# Iceberg keeps what is younger than its own least retention, seven days unless the catalog says otherwise. #}
{% macro trino__vacuum_sql(relation, node) %}
  {{ return([
    'alter table ' ~ relation ~ " execute expire_snapshots(retention_threshold => '7d')",
    'alter table ' ~ relation ~ " execute remove_orphan_files(retention_threshold => '7d')",
  ]) }}
{% endmacro %}

{% macro snowflake__vacuum_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('vacuum', 'Snowflake frees storage itself when Time Travel ends.') %}
{% endmacro %}

{% macro bigquery__vacuum_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('vacuum', 'BigQuery frees storage itself when its time travel window ends.') %}
{% endmacro %}


{# VACUUM and OPTIMIZE are Delta's; dbt's default file format is Delta on Databricks and Parquet on Spark. #}
{% macro require_delta(operation, node) %}
  {% set format = node.config.get('file_format') or ('delta' if adapter.type() == 'databricks' else 'parquet') %}
  {% if format | lower != 'delta' %}
    {% do dbt_af_k8s.not_on_this_adapter(operation, "it is for Delta tables, and " ~ node.unique_id ~ " has file_format '"
      ~ format ~ "'.") %}
  {% endif %}
{% endmacro %}
