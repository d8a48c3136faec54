{% macro cents(x) %}{{ return(adapter.dispatch('cents')(x)) }}{% endmacro %}{% macro default__cents(x) %}({{ x }} * 100){% endmacro %}{% macro duckdb__cents(x) %}({{ x }} * 100 + 0){% endmacro %}
