-- Its first try fails, and leaves a file by which the next one knows better.
{% if execute %}
{% set tried = run_query("select count(*) from glob('tried.csv')").columns[0].values()[0] %}
{% do run_query("copy (select 1 as n) to 'tried.csv'") %}
{% endif %}
select id from {{ ref('first') }} {% if not tried %}join not_there_yet using (id){% endif %}
