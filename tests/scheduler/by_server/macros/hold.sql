{# Leave a file for each dbt that begins, and wait until the tests leave word. #}
{% macro hold(name) %}
  {%- if execute -%}
    {%- set folder = env_var("WAIT_CONTROL") -%}
    {%- do run_query("copy (select 1) to '" ~ folder ~ "/" ~ name ~ "." ~ invocation_id ~ ".begun'") -%}
    {%- do log("Waits for word of " ~ name, info=true) -%}
    {%- set word = "select sleep_ms(3000), (select count(*) from glob('" ~ folder ~ "/" ~ name ~ ".go')) as words" -%}
    {%- set found = namespace(word=0) -%}
    {%- for _ in range(200) -%}
      {%- if not found.word -%}
        {%- set found.word = run_query(word).columns["words"][0] -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}
