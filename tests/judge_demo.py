"""Runs the demonstration and lets independent programs judge what it serves.

    python3 tests/judge_demo.py target/release/folkmoot

The judges are in ../shared/checks (Go's transparency log, libcoveocds, the JSON Feed schema); a stock gRPC client of
Python reads health, reflection and the feed. Where ../shared is absent, what it judges is not judged, and that is said;
with CI set that is a failure.
"""

import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.request
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
TOOLS = ROOT / "target" / "tools" / "judge"
STORY_SECONDS = 600
PACKAGES = ["grpcio==1.85.1", "grpcio-health-checking==1.85.1", "grpcio-reflection==1.85.1", "jsonschema", "referencing"]


def main():
    if not (TOOLS / "ready").exists():
        install()
    if pathlib.Path(sys.prefix).resolve() != TOOLS.resolve():
        os.execv(TOOLS / "bin" / "python", [str(TOOLS / "bin" / "python"), *sys.argv])
    program = pathlib.Path(sys.argv[1]).resolve()
    has_shared = SHARED.is_dir()
    if not has_shared:
        print("   ../shared is absent: logs, OCDS and JSON Feed are not judged")
        assert not os.environ.get("CI"), "in CI every judge must run"
    with tempfile.TemporaryDirectory() as folder:
        judge(program, pathlib.Path(folder), has_shared)


def install():
    print("   installing a gRPC client and a JSON Schema checker for Python under target/tools")
    venv.create(TOOLS, with_pip=True)
    subprocess.run([TOOLS / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
    (TOOLS / "ready").touch()


def judge(program, folder, has_shared):
    line = [program, "demo", "--json"]
    if has_shared:
        line += ["--ocds", SHARED / "data" / "ocds"]
    demo = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    watchdog = signal.signal(signal.SIGALRM, lambda *_: demo.kill())
    signal.alarm(STORY_SECONDS)
    try:
        summary = json.loads(demo.stdout.readline())
        check_summary(summary, has_shared)
        if has_shared:
            check_logs(summary)
            check_documents(summary, folder)
        check_grpc(summary)
        proof = fetch_proof(summary, folder)
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, watchdog)
    assert code == 0, f"the demonstration ended with {code}"
    verified = subprocess.run([program, "verify", "--json", proof], capture_output=True, text=True, check=True)
    assert json.loads(verified.stdout)["verified"] is True, verified.stdout
    print("   a proof from the feed verifies with the region gone")


def check_summary(summary, has_shared):
    n = len(summary["communities"])
    assert n == 5 and all(c["log_size"] > 0 for c in summary["communities"]), summary["communities"]
    imported = summary["imported"]
    # A file that holds no releases is listed too, with no release named, and counts as one.
    assert imported["accepted"] + len(imported["quarantined"]) == imported["releases"], imported
    expected = 190 if has_shared else 4
    assert imported["accepted"] >= expected, imported
    covenant = summary["covenant"]
    assert covenant["state"] == "in force" and covenant["signed"] == covenant["parties"] == n, covenant
    pool = summary["pools"][0]
    assert pool["state"] == "locked" and pool["quantity"] > 0 and pool["communities"] == n, pool
    poll = summary["poll"]
    assert sum(poll["counts"]) == poll["ballots"] <= poll["roll"] and poll["communities"] == n, poll
    print(f"   story told in {summary['seconds']:.1f} s: {imported['accepted']} of {imported['releases']} releases, "
          f"{summary['feed']['events']} events, counts {poll['counts']}")


def check_logs(summary):
    for community in summary["communities"]:
        line = [SHARED / "checks" / "tlog" / "check-tlog", community["vkey"], community["log_url"]]
        said = subprocess.run(line, capture_output=True, text=True)
        assert said.stdout.startswith("VERIFIED"), said.stdout + said.stderr
        print("  ", said.stdout.strip())


def check_documents(summary, folder):
    documents = {name: folder / f"{name}.json" for name in ("ocds", "json")}
    for name, path in documents.items():
        path.write_bytes(read(summary["feed"][name]))
    run_judge([SHARED / "checks" / "ocds" / "check-ocds", documents["ocds"]])
    run_judge([sys.executable, SHARED / "checks" / "jsonfeed" / "check_jsonfeed.py", documents["json"]])
    assert read(summary["feed"]["atom"]).startswith(b"<?xml")
    print("   /ocds/releases and /feed.json pass their judges")


def run_judge(line):
    said = subprocess.run(line, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def check_grpc(summary):
    import grpc
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    address = summary["coordinator"]["grpc"]
    host, port = address.rsplit(":", 1)
    certificate = ssl.get_server_certificate((host, int(port))).encode()
    credentials = grpc.ssl_channel_credentials(root_certificates=certificate)
    channel = grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", "localhost")])
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert health.status == health_pb2.HealthCheckResponse.SERVING, health
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "folkmoot.v1.FeedService" in database.get_services(), database.get_services()
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("folkmoot.v1.FeedService")
    method = service.methods_by_name["Subscribe"]
    subscribe = channel.unary_stream(
        "/folkmoot.v1.FeedService/Subscribe",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    n_items = 0
    for event in subscribe(GetMessageClass(method.input_type)(), timeout=60):
        if event.WhichOneof("event") == "heartbeat":
            break
        n_items += event.WhichOneof("event") == "item"
    assert n_items == summary["feed"]["events"], (n_items, summary["feed"])
    channel.close()
    print(f"   a stock gRPC client read health, reflection and {n_items} events")


def fetch_proof(summary, folder):
    feed = json.loads(read(summary["feed"]["json"]))
    proofs = [url for item in feed["items"] for url in item["_folkmoot"].get("proofs", [])]
    path = folder / "event.tlog-proof"
    path.write_bytes(read(proofs[0]))
    return path


def read(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    main()
