"""Checks of the store: whether it can be written, and whether its clock agrees."""

import http.client
import time
import uuid
from email.utils import parsedate_to_datetime

from tunesmith.artifacts.store import Store
from tunesmith.cluster.findings import Finding, Target
from tunesmith.cluster.ray_checks import ask_version
from tunesmith.errors import StoreError

__all__ = ["clock", "store_writable"]

# Signed requests to object stores are refused beyond 15 minutes.
WORST_CLOCK_S = 300.0
GOOD_CLOCK_S = 5.0


def store_writable(target: Target) -> Finding:
    """Write a small file into the store, read it back and remove it."""
    name = f".doctor-{uuid.uuid4().hex}"
    began = time.perf_counter()
    try:
        store = Store(target.store_uri)
        store.write_bytes(b"tunesmith", name)
        back = store.read_bytes(name)
        store.remove(name)
    except (StoreError, OSError) as error:
        return Finding(
            "store",
            "fault",
            str(error),
            "check the URI, its credentials and permissions: --store or TUNESMITH_STORE",
        )
    took_s = time.perf_counter() - began
    if back != b"tunesmith":
        what = f"{store.shown} returned other bytes than were written"
        return Finding("store", "fault", what, "use another store: --store or TUNESMITH_STORE")
    return Finding("store", "ok", f"{store.shown} written and read in {took_s:.3f} s")


def clock(target: Target) -> Finding:
    """Compare this machine's clock with the store's, and with the cluster's where one is named."""
    apart = {name: gap for name, gap in (_store_gap(target), _cluster_gap(target)) if name}
    if not apart:
        return Finding("clock", "ok", "nothing to compare it with: the store is not reachable")
    name, gap_s = max(apart.items(), key=lambda pair: abs(pair[1]))
    state = f"{abs(gap_s):.1f} s {'ahead of' if gap_s > 0 else 'behind'} the clock of {name}"
    do = "synchronise it: `systemctl start systemd-timesyncd`, or chrony"
    if abs(gap_s) > WORST_CLOCK_S:
        return Finding("clock", "fault", f"{state}: object stores refuse requests", do)
    if abs(gap_s) > GOOD_CLOCK_S:
        return Finding("clock", "warning", f"{state}: times in records will not add up", do)
    return Finding("clock", "ok", f"within {GOOD_CLOCK_S:g} s of {', '.join(apart)}")


def _store_gap(target: Target) -> tuple[str, float]:
    """Return the store's name and how many seconds this clock is before its; "" without one."""
    name = f".doctor-{uuid.uuid4().hex}"
    try:
        store = Store(target.store_uri)
        store.write_bytes(b"", name)
        now_s = target.machine.now_s()
        written_s = store.fs.get_file_info(store.path(name)).mtime_ns / 1e9
        store.remove(name)
    except (StoreError, OSError):
        return "", 0.0
    return "the store", now_s - written_s


def _cluster_gap(target: Target) -> tuple[str, float]:
    if target.address is None:
        return "", 0.0
    try:
        _, date, _ = ask_version(target)
    except (OSError, http.client.HTTPException):
        return "", 0.0
    if date is None:
        return "", 0.0
    theirs_s = parsedate_to_datetime(date).timestamp()
    return target.address, target.machine.now_s() - theirs_s
