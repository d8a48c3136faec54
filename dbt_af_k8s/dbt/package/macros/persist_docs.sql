{#-
  Writes the descriptions of the dbt project into the warehouse's comments, without building the model again. A
  description that is empty leaves the comment as it is; a documented column that the table does not have is named in
  the result.
-#}
{% macro persist_docs(model) %}
  {% set node = dbt_af_k8s.maintained_node(model) %}
  {% set relation = dbt_af_k8s.maintained_relation(node) %}
  {% if relation is none %}
    {% do dbt_af_k8s.log_result('persist_docs', model, none, 'not built', {'comments': 0}) %}
    {{ return('') }}
  {% endif %}
  {% set statements = [] %}
  {% set missing = [] %}
  {% if node.description %}
    {% do statements.append(dbt_af_k8s.comment_on_relation_sql(relation, node.description)) %}
  {% endif %}
  {% set existing = {} %}
  {% for column in adapter.get_columns_in_relation(relation) %}
    {% do existing.update({column.name | lower: column.name}) %}
    {% do existing.update({column.name: column.name}) %}
  {% endfor %}
  {% for name, column in node.columns.items() if column.description %}
    {% set found = existing.get(name) or existing.get(name | lower) %}
    {% if found %}
      {% do statements.append(dbt_af_k8s.comment_on_column_sql(relation, found, column.description)) %}
    {% else %}
      {% do missing.append(name) %}
    {% endif %}
  {% endfor %}
  {% do dbt_af_k8s.run_in_transaction(statements) %}
  {% do dbt_af_k8s.log_result('persist_docs', model, relation, 'done', {
    'comments': statements | length, 'columns_missing': missing,
  }) %}
{% endmacro %}


{# What `comment on` calls the relation. #}
{% macro relation_word(relation) %}
  {{ return(relation.type | string | lower | replace('_', ' ')) }}
{% endmacro %}


{% macro comment_on_relation_sql(relation, description) %}
  {{ return(adapter.dispatch('comment_on_relation_sql', 'dbt_af_k8s')(relation, description)) }}
{% endmacro %}

{% macro default__comment_on_relation_sql(relation, description) %}
  {% do dbt_af_k8s.not_on_this_adapter('persist_docs', 'this package has no statement for it.') %}
{% endmacro %}

{% macro duckdb__comment_on_relation_sql(relation, description) %}
  {{ return(dbt_af_k8s.standard_comment_on_relation_sql(relation, description)) }}
{% endmacro %}

{% macro postgres__comment_on_relation_sql(relation, description) %}
  {{ return(dbt_af_k8s.standard_comment_on_relation_sql(relation, description)) }}
{% endmacro %}

{% macro snowflake__comment_on_relation_sql(relation, description) %}
  {{ return(dbt_af_k8s.standard_comment_on_relation_sql(relation, description)) }}
{% endmacro %}

{% macro trino__comment_on_relation_sql(relation, description) %}
  {{ return(dbt_af_k8s.standard_comment_on_relation_sql(relation, description)) }}
{% endmacro %}

{% macro spark__comment_on_relation_sql(relation, description) %}
  {{ return('comment on table ' ~ relation ~ ' is ' ~ dbt_af_k8s.text_literal(description)) }}
{% endmacro %}

{% macro bigquery__comment_on_relation_sql(relation, description) %}
  {{ return('alter ' ~ dbt_af_k8s.relation_word(relation) ~ ' ' ~ relation ~ ' set options (description = '
    ~ dbt_af_k8s.text_literal(description) ~ ')') }}
{% endmacro %}

{% macro standard_comment_on_relation_sql(relation, description) %}
  {{ return('comment on ' ~ dbt_af_k8s.relation_word(relation) ~ ' ' ~ relation ~ ' is '
    ~ dbt_af_k8s.text_literal(description)) }}
{% endmacro %}


{% macro comment_on_column_sql(relation, column, description) %}
  {{ return(adapter.dispatch('comment_on_column_sql', 'dbt_af_k8s')(relation, column, description)) }}
{% endmacro %}

{% macro default__comment_on_column_sql(relation, column, description) %}
  {{ return('comment on column ' ~ relation ~ '.' ~ dbt_af_k8s.quoted(column) ~ ' is '
    ~ dbt_af_k8s.text_literal(description)) }}
{% endmacro %}

{% macro spark__comment_on_column_sql(relation, column, description) %}
  {{ return('alter table ' ~ relation ~ ' alter column ' ~ dbt_af_k8s.quoted(column) ~ ' comment '
    ~ dbt_af_k8s.text_literal(description)) }}
{% endmacro %}

{% macro bigquery__comment_on_column_sql(relation, column, description) %}
  {{ return('alter ' ~ dbt_af_k8s.relation_word(relation) ~ ' ' ~ relation ~ ' alter column '
    ~ dbt_af_k8s.quoted(column) ~ ' set options (description = ' ~ dbt_af_k8s.text_literal(description) ~ ')') }}
{% endmacro %}
