{{ config(pre_hook=["{{ log_to_hooks('before') }}"]) }} select count(*) as n from {{ source('outer', 'colours') }}
