"""The program `python` of a warm Python (`warm_python.py`): hands its command to the server, and ends as that ends.

It is copied into the folder of the programs with the right first line, and imports nothing but a little of the
standard library, for it starts often.
"""

import json
import os
import signal
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs more than all the rest
REAL = "@python@"

if len(sys.argv) < 2 or (sys.argv[1].startswith("-") and sys.argv[1] != "-m"):
    # Options, code given on the command line, or a prompt: that is for a Python of its own.
    os.execv(REAL, [REAL, *sys.argv[1:]])

# What the server with Airflow is for, and what these programs must have told Airflow by variables.
WITH_AIRFLOW = ("dag_test_child.py", "airflow", "dbt_af_k8s.airflow.run_here")
NAMED = ("CORE__DAGS_FOLDER", "DATABASE__SQL_ALCHEMY_CONN", "LOGGING__BASE_LOG_FOLDER")
program = os.path.basename(sys.argv[2] if sys.argv[1] == "-m" else sys.argv[1])  # noqa: PTH119
is_airflow = program in WITH_AIRFLOW and all(f"AIRFLOW__{name}" in os.environ for name in NAMED)

server = socket.socket(socket.AF_UNIX)
server.connect(os.path.join(HERE, "socket_airflow" if is_airflow else "socket"))  # noqa: PTH118
order = {"executable": os.path.join(HERE, "python"), "argv": sys.argv[1:], "cwd": os.getcwd()}  # noqa: PTH109, PTH118
text = json.dumps({**order, "environment": dict(os.environ)}).encode()
socket.send_fds(server, [len(text).to_bytes(4, "big")], [0, 1, 2])
server.sendall(text)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: server.sendall(bytes([number])))
answer = server.recv(4, socket.MSG_WAITALL)
if len(answer) < 4:
    sys.exit("the warm Python has gone")
code = int.from_bytes(answer, "big", signed=True)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
