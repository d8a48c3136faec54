{% macro ten() %}10{% endmacro %}
