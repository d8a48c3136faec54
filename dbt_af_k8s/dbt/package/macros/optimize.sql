{#- Rewrites the table's files so that reading is cheap: compaction, clustering, sorting. No row changes. -#}
{% macro optimize(model) %}
  {% set node = dbt_af_k8s.maintained_node(model) %}
  {% do dbt_af_k8s.run_upkeep('optimize', model, node, dbt_af_k8s.optimize_sql) %}
{% endmacro %}


{# A list of statements that cannot be in a transaction. #}
{% macro optimize_sql(relation, node) %}
  {{ return(adapter.dispatch('optimize_sql', 'dbt_af_k8s')(relation, node)) }}
{% endmacro %}

{% macro default__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('optimize', 'this package has no statement for it.') %}
{% endmacro %}

{# dbt-databricks and dbt-spark name the columns to sort by in `zorder`; liquid clustering has its own order. #}
{% macro spark__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.require_delta('optimize', node) %}
  {% set zorder = node.config.get('zorder') or [] %}
  {% if zorder is string %}
    {% set zorder = [zorder] %}
  {% endif %}
  {% if not zorder or node.config.get('liquid_clustered_by') or node.config.get('auto_liquid_cluster') %}
    {{ return(['optimize ' ~ relation]) }}
  {% endif %}
  {% set columns = adapter.get_columns_in_relation(relation) %}
  {% set names = [] %}
  {% for name in zorder %}
    {% do names.append(dbt_af_k8s.quoted(dbt_af_k8s.existing_column(relation, columns, name).name)) %}
  {% endfor %}
  {{ return(['optimize ' ~ relation ~ ' zorder by (' ~ names | join(', ') ~ ')']) }}
{% endmacro %}

{% macro redshift__optimize_sql(relation, node) %}
  {{ return(['vacuum sort only ' ~ relation]) }}
{% endmacro %}

{% macro trino__optimize_sql(relation, node) %}
  {{ return(['alter table ' ~ relation ~ ' execute optimize']) }}
{% endmacro %}

{% macro duckdb__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('optimize', 'DuckDB compacts a table in `vacuum`.') %}
{% endmacro %}

{% macro postgres__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('optimize', 'PostgreSQL has `vacuum`, and an index for the order of reading.') %}
{% endmacro %}

{% macro snowflake__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('optimize', 'Snowflake clusters a table itself; give the model `cluster_by`.') %}
{% endmacro %}

{% macro bigquery__optimize_sql(relation, node) %}
  {% do dbt_af_k8s.not_on_this_adapter('optimize', 'BigQuery clusters a table itself; give the model `cluster_by`.') %}
{% endmacro %}
