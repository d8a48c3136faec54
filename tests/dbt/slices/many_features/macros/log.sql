{% macro log_to_hooks(what) %}insert into hook_log select '{{ what }}'{% endmacro %}
