{#- How an operation runs its statements and says what it did. -#}

{# Runs one statement; the rows that it changed, or none where the warehouse does not say. #}
{% macro run_statement(sql) %}
  {% call statement('dbt_af_k8s_statement', fetch_result=true, auto_begin=false) %}
    {{ sql }}
  {% endcall %}
  {{ return(dbt_af_k8s.rows_changed(load_result('dbt_af_k8s_statement'))) }}
{% endmacro %}


{# Opens a transaction unless one is open, where dbt has transactions. Without it dbt takes back what an operation did. #}
{% macro begin_transaction() %}
  {{ return(adapter.dispatch('begin_transaction', 'dbt_af_k8s')()) }}
{% endmacro %}

{% macro default__begin_transaction() %}
{% endmacro %}

{% macro postgres__begin_transaction() %}
  {% call statement('dbt_af_k8s_begin', fetch_result=true, auto_begin=true) %}
    select 1
  {% endcall %}
{% endmacro %}

{% macro duckdb__begin_transaction() %}
  {% if not adapter.disable_transactions() %}
    {% do dbt_af_k8s.postgres__begin_transaction() %}
  {% endif %}
{% endmacro %}


{# Commits what `begin_transaction` opened. #}
{% macro commit_transaction() %}
  {{ return(adapter.dispatch('commit_transaction', 'dbt_af_k8s')()) }}
{% endmacro %}

{% macro default__commit_transaction() %}
{% endmacro %}

{% macro postgres__commit_transaction() %}
  {% do adapter.commit() %}
{% endmacro %}

{% macro duckdb__commit_transaction() %}
  {% if not adapter.disable_transactions() %}
    {% do adapter.commit() %}
  {% endif %}
{% endmacro %}


{# Runs statements in one transaction, where the warehouse has transactions; the rows that each changed. #}
{% macro run_in_transaction(statements) %}
  {% set rows = [] %}
  {% do dbt_af_k8s.begin_transaction() %}
  {% for sql in statements %}
    {% do rows.append(dbt_af_k8s.run_statement(sql)) %}
  {% endfor %}
  {% do dbt_af_k8s.commit_transaction() %}
  {{ return(rows) }}
{% endmacro %}


{# Runs statements that no transaction may hold. dbt's questions about the relation have left one open. #}
{% macro run_outside_transaction(statements) %}
  {% do dbt_af_k8s.begin_transaction() %}
  {% do dbt_af_k8s.commit_transaction() %}
  {% for sql in statements %}
    {% do dbt_af_k8s.run_statement(sql) %}
  {% endfor %}
{% endmacro %}


{% macro rows_changed(result) %}
  {{ return(adapter.dispatch('rows_changed', 'dbt_af_k8s')(result)) }}
{% endmacro %}

{% macro default__rows_changed(result) %}
  {% set rows = result.response.rows_affected if result.response is not string else none %}
  {{ return(rows | int if rows is not none and rows | int(-1) >= 0 else none) }}
{% endmacro %}

{# The number is the statement's only row. #}
{% macro duckdb__rows_changed(result) %}
  {{ return(dbt_af_k8s.first_cell(result)) }}
{% endmacro %}

{% macro spark__rows_changed(result) %}
  {{ return(dbt_af_k8s.first_cell(result)) }}
{% endmacro %}

{% macro first_cell(result) %}
  {% if result.table is not none and result.table.rows | length > 0 and result.table.columns | length > 0 %}
    {% set cell = result.table.rows[0][0] %}
    {{ return(cell | int if cell | int(-1) >= 0 else none) }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}


{# One line for machines: `dbt_af_k8s result: {...}`, with the operation, the model, the relation and the outcome. #}
{% macro log_result(operation, model, relation, outcome, more={}) %}
  {% set result = {
    'operation': operation,
    'model': model,
    'relation': relation | string if relation is not none else none,
    'outcome': outcome,
  } %}
  {% do result.update(more) %}
  {% do log('dbt_af_k8s result: ' ~ tojson(result, sort_keys=true), info=true) %}
{% endmacro %}


{# Stops: the operation is not there for this adapter. #}
{% macro not_on_this_adapter(operation, why) %}
  {% do exceptions.raise_compiler_error(
    "The maintenance operation '" ~ operation ~ "' does not exist on " ~ adapter.type() ~ ": " ~ why) %}
{% endmacro %}
