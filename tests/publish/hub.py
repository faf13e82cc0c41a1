"""A stand-in for the Hugging Face Hub on loopback: as much of it as huggingface_hub asks when it publishes a dataset.

Repositories are kept in memory, with commits, branches and tags; large files go through the LFS batch endpoint. How a
hub fails is not its concern: tests.publish.flaky stands before it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_standin"
TREE_PAGE = 20
"""Files on one page of a listing; the hub has a thousand."""


@dataclass
class Blob:
    """A file's content; `lfs` where it came through LFS."""

    content: bytes
    lfs: bool

    @property
    def entry(self) -> dict[str, Any]:
        git = hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()
        made: dict[str, Any] = {"type": "file", "size": len(self.content), "oid": git}
        if self.lfs:
            digest = hashlib.sha256(self.content).hexdigest()
            made["lfs"] = {"oid": digest, "size": len(self.content), "pointerSize": 130}
        return made


Tree = dict[str, Blob]


@dataclass
class Repo:
    """A dataset repository; branches and tags name trees."""

    private: bool = False
    gated: str | None = None
    branches: dict[str, Tree] = field(
        default_factory=lambda: {"main": {".gitattributes": Blob(b"*.parquet lfs\n", False)}}
    )
    tags: dict[str, Tree] = field(default_factory=dict)
    commits: list[list[str]] = field(default_factory=list)


@dataclass
class Hub:
    """All state of the stand-in, and how it is to fail."""

    repos: dict[str, Repo] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)
    uploads: Counter[str] = field(default_factory=Counter)
    die_after_uploads: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.hub.lock:
            self._route(body)

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815 - the names that http.server looks for

    def _answer(self, status: int, value: object = None, headers: dict[str, str] | None = None) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _route(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/lfs/"):
            self._put_blob(path.removeprefix("/lfs/"), body)
            return
        if self.headers.get("authorization") not in (f"Bearer {TOKEN}",):
            self._answer(401, {"error": "Invalid username or password."})
            return
        for method, pattern, name in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                getattr(self, name)(body, *found.groups())
                return
        self._answer(404, {"error": f"no such endpoint: {self.command} {path}"})

    def _repo(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None:
            self._answer(404, {"error": "Repository not found"}, {"x-error-code": "RepoNotFound"})
        return repo

    def _tree(self, repo: Repo, revision: str) -> Tree | None:
        tree = repo.branches.get(revision, repo.tags.get(revision))
        if tree is None:
            self._answer(404, {"error": "Revision not found"}, {"x-error-code": "RevisionNotFound"})
        return tree

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if name in self.hub.repos:
            self._answer(409, {"error": "exists", "url": f"{self.hub.url}/datasets/{name}"})
            return
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.repos[name] = Repo(private=private)
        self._answer(200, {"url": f"{self.hub.url}/datasets/{name}", "name": name, "id": name})

    def settings(self, body: bytes, name: str) -> None:
        if repo := self._repo(name):
            repo.gated = json.loads(body).get("gated")
            self._answer(200, {"gated": repo.gated})

    def validate_yaml(self, body: bytes) -> None:
        self._answer(200, {"errors": [], "warnings": []})

    def tree(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name)
        tree = self._tree(repo, revision) if repo else None
        if tree is None:
            return
        asked = parse_qs(urlsplit(self.path).query)
        start = int(asked.get("cursor", ["0"])[0])
        entries = [{"path": path, **blob.entry} for path, blob in sorted(tree.items())]
        after = start + TREE_PAGE
        more = f"{self.hub.url}{urlsplit(self.path).path}?recursive=True&cursor={after}"
        headers = {"link": f'<{more}>; rel="next"'} if after < len(entries) else {}
        self._answer(200, entries[start:after], headers)

    def refs(self, body: bytes, name: str) -> None:
        if repo := self._repo(name):
            names = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags)}
            refs = {
                kind: [{"name": one, "ref": f"refs/{place}/{one}", "targetCommit": "0" * 40} for one in trees]
                for kind, (place, trees) in names.items()
            }
            self._answer(200, refs | {"converts": []})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        large = (".parquet", ".png", ".zst")
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(large) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(body)["files"]
        ]
        self._answer(200, {"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = []
        for one in json.loads(body)["objects"]:
            made = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.lfs:
                made["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}
            objects.append(made)
        answer = {"transfer": "basic", "objects": objects}
        self._answer(200, answer, {"content-type": "application/vnd.git-lfs+json"})

    def _put_blob(self, digest: str, body: bytes) -> None:
        hub = self.hub
        if hub.die_after_uploads is not None and sum(hub.uploads.values()) >= hub.die_after_uploads:
            self._answer(403, {"error": "killed here"})
            return
        if hashlib.sha256(body).hexdigest() != digest:
            self._answer(422, {"error": "another content"})
            return
        hub.lfs[digest] = body
        hub.uploads[digest] += 1
        self._answer(200, {})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name)
        if repo is None or self._tree(repo, revision) is None:
            return
        changed = dict(repo.branches[revision])
        paths = []
        for line in body.splitlines():
            change = json.loads(line)
            value = change["value"]
            if change["key"] == "file":
                changed[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif change["key"] == "lfsFile":
                if value["oid"] not in self.hub.lfs:
                    self._answer(400, {"error": "an LFS file was not uploaded"})
                    return
                changed[value["path"]] = Blob(self.hub.lfs[value["oid"]], True)
            elif change["key"] == "deletedFile":
                del changed[value["path"]]
            else:
                continue
            paths.append(value["path"])
        repo.branches[revision] = changed
        repo.commits.append(paths)
        oid = hashlib.sha1(str(len(repo.commits)).encode()).hexdigest()
        self._answer(
            200, {"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{oid}"}
        )

    def tag(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name)
        if repo is None:
            return
        tag = json.loads(body)["tag"]
        if tag in repo.tags:
            self._answer(409, {"error": "tag exists"})
            return
        repo.tags[tag] = dict(repo.branches[revision])
        self._answer(200, {})

    def branch(self, body: bytes, name: str, branch: str) -> None:
        if repo := self._repo(name):
            if branch in repo.branches:
                self._answer(409, {"error": "branch exists"})
                return
            repo.branches[branch] = dict(repo.branches["main"])
            self._answer(200, {})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        tree = self._tree(repo, revision) if repo else None
        if tree is None:
            return
        blob = tree.get(path)
        if blob is None:
            self._answer(404, {"error": "Entry not found"}, {"x-error-code": "EntryNotFound"})
            return
        digest = hashlib.sha256(blob.content).hexdigest()
        headers = {"etag": f'"{digest}"', "x-repo-commit": "0" * 40, "content-type": "application/octet-stream"}
        self._answer(200, blob.content, headers)

    def info(self, body: bytes, name: str, revision: str | None = None) -> None:
        repo = self._repo(name)
        tree = self._tree(repo, revision or "main") if repo else None
        if tree is not None:
            siblings = [{"rfilename": path} for path in sorted(tree)]
            self._answer(200, {"id": name, "sha": "0" * 40, "private": False, "siblings": siblings, "tags": []})


_NAME = r"([^/]+/[^/]+)"
ROUTES = (
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "validate_yaml"),
    ("PUT", f"/api/datasets/{_NAME}/settings", "settings"),
    ("GET", f"/api/datasets/{_NAME}/tree/([^/]+)", "tree"),
    ("GET", f"/api/datasets/{_NAME}/refs", "refs"),
    ("GET", f"/api/datasets/{_NAME}", "info"),
    ("GET", f"/api/datasets/{_NAME}/revision/([^/]+)", "info"),
    ("POST", f"/api/datasets/{_NAME}/preupload/([^/]+)", "preupload"),
    ("POST", f"/datasets/{_NAME}.git/info/lfs/objects/batch", "batch"),
    ("POST", f"/api/datasets/{_NAME}/commit/([^/]+)", "commit"),
    ("POST", f"/api/datasets/{_NAME}/tag/([^/]+)", "tag"),
    ("POST", f"/api/datasets/{_NAME}/branch/([^/]+)", "branch"),
    ("HEAD", f"/datasets/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
    ("GET", f"/datasets/{_NAME}/resolve/([^/]+)/(.+)", "resolve"),
)
"""What is answered: method, path, and the handler's method."""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a stand-in on a free port of loopback while open."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["TOKEN", "Hub", "Repo", "serving"]
