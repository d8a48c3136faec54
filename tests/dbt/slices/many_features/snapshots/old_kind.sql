{% snapshot old_kind %}{{ config(unique_key='id', strategy='check', check_cols=['size'], target_schema='history') }}select * from {{ ref('sizes') }}{% endsnapshot %}
