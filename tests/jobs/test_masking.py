"""What sounds secret is masked, wherever it stands."""

from dbt_af_k8s.jobs.masking import masked, secrets_in


def test_secrets_are_masked_everywhere() -> None:
    job = {
        "metadata": {"annotations": {"note": "login with hunter2!", "api-token": "t0ps3cret"}},
        "spec": {
            "containers": [
                {
                    "args": ["--password=hunter2!", "--token", "abcdef", "--user", "shop", "--flag"],
                    "env": [
                        {"name": "DB_PASSWORD", "value": "pa55word"},
                        {"name": "DB_URL", "value": "postgresql://shop:s3cr3t@db/shop?x=pa55word"},
                        {"name": "DB_SECRET", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                        {"name": "PIN_TOKEN", "value": "1"},
                    ],
                }
            ]
        },
    }
    found = secrets_in(job)
    assert found == ("t0ps3cret", "hunter2!", "pa55word", "abcdef", "s3cr3t")
    hidden = masked(job, found)
    assert not any(secret in str(hidden) for secret in found)
    assert hidden["metadata"]["annotations"]["note"] == "login with ***"
    (container,) = hidden["spec"]["containers"]
    assert container["args"] == ["--password=***", "--token", "***", "--user", "shop", "--flag"]
    assert container["env"][1]["value"] == "postgresql://shop:***@db/shop?x=***"
    assert container["env"][2:] == job["spec"]["containers"][0]["env"][2:]


def test_what_sounds_secret_and_is_none_stays() -> None:
    job = {"spec": {"automountServiceAccountToken": False, "volumes": [{"secret": {"secretName": "db-login"}}]}}
    assert secrets_in(job) == ()
