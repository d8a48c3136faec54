{#- The data interval of the Airflow run, as UTC timestamps: rows with start <= time < end belong to the run. -#}

{% macro interval_start() -%}
    (timestamptz '{{ var("start_dttm") }}' at time zone 'UTC')
{%- endmacro %}

{% macro interval_end() -%}
    (timestamptz '{{ var("end_dttm") }}' at time zone 'UTC')
{%- endmacro %}
