{#- The cutoff of a TTL: a moment, and that moment as a value that a column of the table can be compared with. -#}

{# The moment `days` times 24 hours before `as_of` (ISO 8601 with offset), in UTC. Never the clock's time. #}
{% macro cutoff(as_of, days) %}
  {% set moment = as_of | string | replace('Z', '+00:00') %}
  {% set iso = '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{3}([0-9]{3})?)?)?[+-][0-9]{2}:[0-9]{2}$' %}
  {% if not modules.re.match(iso, moment) %}
    {% do exceptions.raise_compiler_error(
      "as_of must be a moment with its offset, such as '2026-01-31T00:00:00+00:00', found '" ~ as_of ~ "'.") %}
  {% endif %}
  {% if days is boolean or days is not number or days != days | int or days < 1 or days > 365000 %}
    {% do exceptions.raise_compiler_error(
      "expiration_timeout must be a whole number of days from 1 to 365000, found '" ~ days ~ "'.") %}
  {% endif %}
  {% set end = modules.datetime.datetime.fromisoformat(moment).astimezone(modules.pytz.utc) %}
  {{ return(end - modules.datetime.timedelta(days=days | int)) }}
{% endmacro %}


{# What a column of this type holds: `instant` (knows its offset), `wall` (does not), `date`, or none of these. #}
{% macro time_kind(data_type) %}
  {% set bare = modules.re.sub('[(][^)]*[)]', '', data_type | lower) %}
  {{ return(adapter.dispatch('time_kind', 'dbt_af_k8s')(bare.split() | join(' '))) }}
{% endmacro %}

{% macro default__time_kind(type) %}
  {% if type == 'date' %}
    {{ return('date') }}
  {% elif type in ['timestamptz', 'timestamp with time zone', 'timestamp with local time zone', 'timestamp_tz',
                   'timestamp_ltz'] %}
    {{ return('instant') }}
  {% elif type in ['timestamp', 'timestamp without time zone', 'datetime', 'timestamp_ntz', 'timestamp_s',
                   'timestamp_ms', 'timestamp_us', 'timestamp_ns'] %}
    {{ return('wall') }}
  {% endif %}
  {{ return(none) }}
{% endmacro %}

{# BigQuery's and Spark's `timestamp` is a moment; the one without a zone has a name of its own. #}
{% macro bigquery__time_kind(type) %}
  {{ return('instant' if type == 'timestamp' else dbt_af_k8s.default__time_kind(type)) }}
{% endmacro %}

{% macro spark__time_kind(type) %}
  {{ return('instant' if type == 'timestamp' else dbt_af_k8s.default__time_kind(type)) }}
{% endmacro %}


{# A moment in UTC as a literal of the kind. Of a `date` the whole day must be over, so it takes the day of the moment. #}
{% macro time_literal(kind, moment) %}
  {{ return(adapter.dispatch('time_literal', 'dbt_af_k8s')(kind, moment)) }}
{% endmacro %}

{% macro default__time_literal(kind, moment) %}
  {{ return(dbt_af_k8s.cast_literal(kind, moment, 'timestamp with time zone', 'timestamp')) }}
{% endmacro %}

{% macro redshift__time_literal(kind, moment) %}
  {{ return(dbt_af_k8s.cast_literal(kind, moment, 'timestamptz', 'timestamp')) }}
{% endmacro %}

{% macro snowflake__time_literal(kind, moment) %}
  {{ return(dbt_af_k8s.cast_literal(kind, moment, 'timestamp_tz', 'timestamp_ntz', 'T')) }}
{% endmacro %}

{% macro spark__time_literal(kind, moment) %}
  {{ return(dbt_af_k8s.cast_literal(kind, moment, 'timestamp', 'timestamp_ntz', 'T')) }}
{% endmacro %}

{% macro cast_literal(kind, moment, instant_type, wall_type, between=' ') %}
  {% if kind == 'date' %}
    {{ return("cast('" ~ moment.strftime('%Y-%m-%d') ~ "' as date)") }}
  {% endif %}
  {% set text = moment.strftime('%Y-%m-%d' ~ between ~ '%H:%M:%S.%f') %}
  {% if kind == 'instant' %}
    {{ return("cast('" ~ text ~ "+00:00' as " ~ instant_type ~ ")") }}
  {% endif %}
  {{ return("cast('" ~ text ~ "' as " ~ wall_type ~ ")") }}
{% endmacro %}

{% macro bigquery__time_literal(kind, moment) %}
  {% set types = {'instant': 'timestamp', 'wall': 'datetime', 'date': 'date'} %}
  {{ return(dbt_af_k8s.typed_literal(kind, moment, types, '+00:00')) }}
{% endmacro %}

{% macro trino__time_literal(kind, moment) %}
  {% set types = {'instant': 'timestamp', 'wall': 'timestamp', 'date': 'date'} %}
  {{ return(dbt_af_k8s.typed_literal(kind, moment, types, ' +00:00')) }}
{% endmacro %}

{% macro typed_literal(kind, moment, types, offset) %}
  {% set form = '%Y-%m-%d' if kind == 'date' else '%Y-%m-%d %H:%M:%S.%f' %}
  {{ return(types[kind] ~ " '" ~ moment.strftime(form) ~ (offset if kind == 'instant' else '') ~ "'") }}
{% endmacro %}
