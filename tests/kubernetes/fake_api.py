"""The calls to Kubernetes that Snakemake makes, answered: a job is a process in an empty folder; no file is shared.

    python fake_api.py PORT FOLDER

FOLDER gets what each job asked for (`{job}.json`), what it printed (`{job}.log`) and its files. As a real API server
does, this one refuses cards that are asked for without a limit.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEPT = ("PATH", "HOME", "LANG")  # of the environment; a pod knows nothing else of the machine that it was asked for on


class Cluster(ThreadingHTTPServer):
    def __init__(self, port: int, folder: Path):
        super().__init__(("127.0.0.1", port), Answers)
        self.folder = folder
        self.jobs: dict[str, subprocess.Popen] = {}
        self.secrets: dict[str, dict[str, str]] = {}

    def begin(self, job: dict[str, Any]) -> None:
        name, container = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]
        (self.folder / f"{name}.json").write_text(json.dumps(job, indent=1))
        work = self.folder / name
        work.mkdir()
        environment = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith("PIP_")}
        for entry in container.get("env") or []:
            of = entry["valueFrom"]["secretKeyRef"]
            environment[entry["name"]] = base64.b64decode(self.secrets[of["name"]][of["key"]]).decode()
        with open(self.folder / f"{name}.log", "w") as log:
            command = [*container["command"], *container["args"]]
            self.jobs[name] = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log)


class Answers(BaseHTTPRequestHandler):
    server: Cluster

    def log_message(self, *words: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/secrets"):
            self.server.secrets[body["metadata"]["name"]] = body["data"]
        else:
            asked = body["spec"]["template"]["spec"]["containers"][0]["resources"]
            limits = asked.get("limits") or {}
            for what, amount in asked["requests"].items():
                if "/" in what and limits.get(what) != amount:
                    return self.answer({"kind": "Status", "message": f"limits: must be set for {what}"}, 422)
            self.server.begin(body)
        return self.answer(body, 201)

    def do_GET(self) -> None:
        found = re.search(r"/jobs/([^/?]+)/status", self.path)
        if not found:
            return self.answer({"kind": "PodList", "items": []})
        status = self.server.jobs[found[1]].poll()
        word = "active" if status is None else "failed" if status else "succeeded"
        return self.answer({"metadata": {"name": found[1]}, "status": {word: 1}})

    def do_DELETE(self) -> None:
        job = self.server.jobs.get(self.path.partition("?")[0].rpartition("/")[2])
        if job and job.poll() is None:
            job.terminate()
        self.answer({"kind": "Status", "status": "Success"})

    def answer(self, body: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    Cluster(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
