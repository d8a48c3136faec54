{% macro generate_schema_name(custom, node) %}{{ target.schema if custom is none else custom ~ '_of_' ~ target.schema }}{% endmacro %}
{% macro generate_alias_name(custom=none, node=none) %}{{ (custom or node.name) ~ ('_v' ~ node.version if node.version else '') }}{% endmacro %}
