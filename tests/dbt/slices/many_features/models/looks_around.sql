select '{{ load_relation(ref("colours")) }}' as found, '{{ load_relation(ref("growing")) }}' as more
