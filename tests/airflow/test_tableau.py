"""The Tableau refresher against a local server that speaks Tableau's REST calls."""

import json

import pytest
from tableau_server import Tableau, tableau_server

from dbt_af_k8s.airflow.integrations.refresh import Refresher, RefreshError
from dbt_af_k8s.airflow.integrations.tableau import TableauRefresher

pytestmark = [
    pytest.mark.airflow,
    # tableauserverclient has it in docstrings; Python tells it when it compiles the module, under its own category
    # from 3.12 on.
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),
]

SALES = {"resource_name": "Sales", "project_name": "Shop", "resource_type": "workbook"}
STOCK = {"resource_name": "Stock", "project_name": "Shop", "resource_type": "datasource"}
ITEMS = [
    ("workbook", "w1", "Sales", "Shop"),
    ("workbook", "w2", "Sales", "Other shop"),
    ("workbook", "w3", "sales", "Shop"),
    ("datasource", "d1", "Stock", "Shop"),
    ("datasource", "d2", "Sales", "Shop"),
]


@pytest.fixture
def tableau():
    with tableau_server(items=list(ITEMS)) as server:
        yield server


@pytest.fixture
def refresher(tableau: Tableau, monkeypatch: pytest.MonkeyPatch) -> TableauRefresher:
    connect(monkeypatch, host=tableau.url, login="anna", password="secret")
    return TableauRefresher("bi")


def connect(monkeypatch: pytest.MonkeyPatch, **connection: object) -> None:
    """The Airflow connection `bi`, as a deployment would give it."""
    monkeypatch.setenv("AIRFLOW_CONN_BI", json.dumps({"conn_type": "tableau", **connection}))


def fault_of(refresher: TableauRefresher, resource: dict[str, object] = SALES) -> RefreshError:
    with pytest.raises(RefreshError) as caught:
        refresher.refresh(resource)
    assert "\n" not in str(caught.value)
    return caught.value


def test_it_is_a_refresher(refresher):
    assert isinstance(refresher, Refresher)


def test_a_workbook_and_a_data_source(refresher, tableau):
    assert refresher.refresh(SALES) == "Tableau refreshes the workbook `Sales` of project `Shop`: job job-w1."
    assert refresher.refresh(STOCK) == "Tableau refreshes the data source `Stock` of project `Shop`: job job-d1."
    assert tableau.asked[:5] == [
        "GET /serverInfo",
        "POST /auth/signin",
        "GET /sites/site-0/workbooks",
        "POST /sites/site-0/workbooks/w1/refresh",
        "POST /auth/signout",
    ]
    assert "POST /sites/site-0/datasources/d1/refresh" in tableau.asked
    assert not tableau.sessions


@pytest.mark.parametrize(
    "connection",
    [
        {"extra": {"token_name": "bot", "personal_access_token": "pat"}},
        {"password": "pat", "extra": {"token_name": "bot"}},
    ],
)
def test_a_personal_access_token(tableau, monkeypatch, connection):
    connect(monkeypatch, host=tableau.url, **connection)
    assert "job-w1" in TableauRefresher("bi").refresh(SALES)
    assert "personalAccessTokenName" in tableau.bodies[1]


@pytest.mark.parametrize(("setting", "extra"), [("emea", {}), (None, {"site_id": "emea"}), ("emea", {"site_id": "x"})])
def test_the_site(tableau, monkeypatch, setting, extra):
    connect(monkeypatch, host=tableau.url, login="anna", password="secret", extra=extra)
    TableauRefresher("bi", site=setting).refresh(SALES)
    assert "GET /sites/site-1/workbooks" in tableau.asked


def test_host_and_port_apart(tableau, monkeypatch):
    connect(monkeypatch, host="127.0.0.1", port=tableau.port, schema="http", login="anna", password="secret")
    assert "job-w1" in TableauRefresher("bi").refresh(SALES)


def test_one_of_many_pages(refresher, tableau):
    tableau.items[:0] = [("workbook", f"x{number}", "A, B & C", f"P{number}") for number in range(250)]
    named = {**SALES, "resource_name": "A, B & C", "project_name": "P249"}
    assert "job-x249" in refresher.refresh(named)
    assert tableau.asked.count("GET /sites/site-0/workbooks") == 1  # the filter by project does it


def test_names_that_no_filter_can_hold(refresher, tableau):
    tableau.items[:0] = [("workbook", f"x{number}", "A, B", f"P & {number}") for number in range(250)]
    assert "job-x249" in refresher.refresh({**SALES, "resource_name": "A, B", "project_name": "P & 249"})
    assert tableau.asked.count("GET /sites/site-0/workbooks") == 3


def test_incremental(refresher, tableau):
    refresher.refresh({**SALES, "incremental": True})
    assert 'incremental="true"' in tableau.bodies[3]
    tableau.version = "3.19"
    assert "cannot refresh the workbook `Sales` of project `Shop` incrementally; 3.25 can" in str(
        fault_of(refresher, {**SALES, "incremental": True})
    )


def test_a_job_that_is_queued_already_is_no_fault(refresher, tableau):
    tableau.errors["/sites/site-0/workbooks/w1/refresh"] = (
        409,
        "409093",
        "Resource Conflict",
        "Job for 'Sales' is already queued. Not queuing a duplicate.",
    )
    assert refresher.refresh(SALES) == (
        "Tableau was to refresh the workbook `Sales` of project `Shop` already: a job for it is queued."
    )


@pytest.mark.parametrize("resource", [{**SALES, "resource_name": "Salez"}, {**SALES, "project_name": "shop"}])
def test_not_found(refresher, tableau, resource):
    fault = fault_of(refresher, resource)
    assert "Tableau has no workbook" in str(fault)
    assert "may not see it" in str(fault)
    assert not fault.retryable
    assert not tableau.sessions


def test_several_found(refresher, tableau):
    tableau.items.append(("workbook", "w9", "Sales", "Shop"))
    fault = fault_of(refresher)
    assert "2 times a workbook `Sales` of project `Shop` (ids w1, w9)" in str(fault)
    assert not [call for call in tableau.asked if call.endswith("refresh")]


def test_wrong_credentials(tableau, monkeypatch):
    connect(monkeypatch, host=tableau.url, login="anna", password="wrong")
    fault = fault_of(TableauRefresher("bi"))
    assert "Tableau does not let us sign in (401001" in str(fault)
    assert "connection `bi`" in str(fault)
    assert "wrong" not in str(fault)
    assert not fault.retryable


def test_signed_out_in_between(refresher, tableau):
    tableau.errors["/sites/site-0/workbooks/w1/refresh"] = (
        401,
        "401002",
        "Unauthorized Access",
        "Invalid credentials.",
    )
    assert "Tableau does not let us refresh the workbook `Sales`" in str(fault_of(refresher))


@pytest.mark.parametrize(
    ("error", "told", "retryable"),
    [
        ((404, "404006", "Resource Not Found", "Gone."), "404006, Resource Not Found: Gone.", False),
        ((403, "403004", "Forbidden", "No extract."), "403004, Forbidden: No extract.", False),
        ((409, "409004", "Conflict", "Other."), "409004, Conflict: Other.", False),
        ((503, "503000", "Busy", "Later."), "Tableau failed to refresh", True),
        ((0, "", "", ""), "Tableau did not answer when asked to refresh", True),
    ],
)
def test_other_answers(refresher, tableau, error, told, retryable):
    tableau.errors["/sites/site-0/workbooks/w1/refresh"] = error
    fault = fault_of(refresher)
    assert told in str(fault)
    assert fault.retryable is retryable


def test_a_sign_out_that_fails_changes_nothing(refresher, tableau):
    tableau.errors["/auth/signout"] = (500, "500000", "Broken", "Broken.")
    assert "job-w1" in refresher.refresh(SALES)


def test_an_old_server(refresher, tableau):
    tableau.version = "2.4"
    assert "Workbooks is not available in API version 2.4" in str(fault_of(refresher))


def test_no_server(monkeypatch):
    connect(monkeypatch, host="http://127.0.0.1:9", login="anna", password="secret")
    fault = fault_of(TableauRefresher("bi"))
    assert "Tableau did not answer when asked to sign in" in str(fault)
    assert fault.retryable


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        ({"host": "", "login": "anna", "password": "secret"}, "has no host"),
        ({"host": "http://127.0.0.1", "login": "anna"}, "has no credentials"),
        ({"host": "http://127.0.0.1", "extra": {"token_name": "bot"}}, "has no credentials"),
    ],
)
def test_a_connection_that_lacks_something(monkeypatch, connection, told):
    connect(monkeypatch, **connection)
    assert told in str(fault_of(TableauRefresher("bi")))


def test_no_connection(monkeypatch, airflow_without_connections):
    assert "There is no Airflow connection `bi`" in str(fault_of(TableauRefresher("bi")))
