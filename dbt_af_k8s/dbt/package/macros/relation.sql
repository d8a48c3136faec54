{#- What an operation works on: the node of the manifest, its relation, its columns, and names as the warehouse quotes them. -#}

{# The node with this unique_id. Stops where the manifest has none. #}
{% macro maintained_node(model) %}
  {% set node = graph.nodes.get(model) %}
  {% if not node %}
    {% do exceptions.raise_compiler_error(
      "The manifest has no node '" ~ model ~ "'. Give a unique_id, such as 'model." ~ project_name ~ ".orders'.") %}
  {% endif %}
  {% if node.resource_type not in ['model', 'seed', 'snapshot'] %}
    {% do exceptions.raise_compiler_error(
      "'" ~ model ~ "' is a " ~ node.resource_type ~ "; maintenance takes a model, a seed or a snapshot.") %}
  {% endif %}
  {{ return(node) }}
{% endmacro %}


{# The relation of a node as it is in the warehouse, or none where it has not been built yet. #}
{% macro maintained_relation(node) %}
  {{ return(adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias)) }}
{% endmacro %}


{# Stops unless the relation is a table: a view has no rows of its own. #}
{% macro require_table(operation, model, relation) %}
  {% set type = relation.type | string | lower %}
  {% if 'view' in type or type == 'external' %}
    {% do exceptions.raise_compiler_error(
      "'" ~ operation ~ "' needs a table, and " ~ relation ~ " (" ~ model ~ ") is a " ~ type ~ ".") %}
  {% endif %}
{% endmacro %}


{# The column that a person calls `name`: of exactly this name, else the only one that differs in case alone. #}
{% macro existing_column(relation, columns, name) %}
  {% set alike = [] %}
  {% for column in columns %}
    {% if column.name == name %}
      {{ return(column) }}
    {% endif %}
    {% if column.name | lower == name | lower %}
      {% do alike.append(column) %}
    {% endif %}
  {% endfor %}
  {% if alike | length == 1 %}
    {{ return(alike[0]) }}
  {% endif %}
  {% set known = columns | map(attribute='name') | join(', ') %}
  {% if alike %}
    {% do exceptions.raise_compiler_error(
      relation ~ " has several columns '" ~ name ~ "' that differ in case; write the one you mean. Its columns: " ~ known) %}
  {% endif %}
  {% do exceptions.raise_compiler_error(relation ~ " has no column '" ~ name ~ "'. Its columns: " ~ known) %}
{% endmacro %}


{# An identifier in the warehouse's quotes, whatever is in it: the adapters' own `quote` leaves quotes inside as they are. #}
{% macro quoted(identifier) %}
  {{ return(adapter.dispatch('quoted', 'dbt_af_k8s')(identifier)) }}
{% endmacro %}

{% macro default__quoted(identifier) %}
  {{ return('"' ~ identifier | replace('"', '""') ~ '"') }}
{% endmacro %}

{% macro bigquery__quoted(identifier) %}
  {{ return('`' ~ identifier ~ '`') }}
{% endmacro %}

{% macro spark__quoted(identifier) %}
  {{ return('`' ~ identifier | replace('`', '``') ~ '`') }}
{% endmacro %}


{# A text as a literal of the warehouse. #}
{% macro text_literal(text) %}
  {{ return(adapter.dispatch('text_literal', 'dbt_af_k8s')(text)) }}
{% endmacro %}

{% macro default__text_literal(text) %}
  {{ return("'" ~ text | replace("'", "''") ~ "'") }}
{% endmacro %}

{# These read a backslash in a literal as the begin of an escape. #}
{% macro snowflake__text_literal(text) %}
  {{ return(dbt_af_k8s.backslash_literal(text)) }}
{% endmacro %}

{% macro bigquery__text_literal(text) %}
  {{ return(dbt_af_k8s.backslash_literal(text)) }}
{% endmacro %}

{% macro spark__text_literal(text) %}
  {{ return(dbt_af_k8s.backslash_literal(text)) }}
{% endmacro %}

{% macro redshift__text_literal(text) %}
  {{ return("'" ~ text | replace('\\', '\\\\') | replace("'", "''") ~ "'") }}
{% endmacro %}

{% macro backslash_literal(text) %}
  {% set escaped = text | replace('\\', '\\\\') | replace("'", "\\'") | replace('\r', '\\r') | replace('\n', '\\n') %}
  {{ return("'" ~ escaped ~ "'") }}
{% endmacro %}
