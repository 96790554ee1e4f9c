"""Many trials, one after the other, on one laboratory for as long as it stays whole."""
import os
import shutil
import sys
import time

from laboratory import Laboratory
from lib import processes
from trial import Trial

TAIL = 60  # lines of each log that a failure shows


def settings(timing):
    ttl, loop_wait, retry_timeout = (int(part) for part in timing.split(","))
    return {"ttl": ttl, "loop_wait": loop_wait, "retry_timeout": retry_timeout, "maximum_lag_on_failover": 1048576}


class Campaign:
    def __init__(self, kind, members=3, time_limit=1500, quick=False, out=sys.stdout):
        self.kind, self._members, self._quick = kind, members, quick
        self.outcomes = []
        self._out = out
        self._lab = self._made_for = None
        self._struck = {}  # on the present laboratory: fault's name, how often
        processes.become_subreaper(time_limit)
        print(f"{'fault':<28} {'timing':<9} {'verdict':<7} {'gap s':>7} {'kept':>7} {'fresh':>7} {'haproxy':>7} "
              f"{'tuned':>7} {'errors':>6} {'rows':>6} {'lost':>5} {'bytes of allowed':>18} {'whole s':>7}",
              file=self._out, flush=True)

    def trial(self, fault, timing):
        began = time.monotonic()
        try:
            lab = self._laboratory(fault, timing)
            trial = Trial(lab, fault, self._quick)
            outcome = trial.run()
        except BaseException:
            self._show_logs(fault.name)
            raise
        self.outcomes.append(outcome)
        self._print(outcome, time.monotonic() - began)
        if outcome.wrong:
            self._show_logs(fault.name)
            self._end_laboratory()
        return outcome

    def end(self):
        """The exit status."""
        self._end_laboratory()
        failed = [outcome for outcome in self.outcomes if outcome.wrong]
        print(f"{len(self.outcomes) - len(failed)} passed, {len(failed)} failed", file=self._out, flush=True)
        return 1 if failed else 0

    def _laboratory(self, fault, timing):
        too_often = fault.at_most and self._struck.get(fault.name, 0) >= fault.at_most
        if self._lab and (too_often or self._made_for != (timing, fault.wal_apart)):
            self._end_laboratory()
        if not self._lab:
            self._made_for = timing, fault.wal_apart
            self._lab = Laboratory(self.kind, self._members, settings(timing), fault.wal_apart)
            self._lab.start()
        self._struck[fault.name] = self._struck.get(fault.name, 0) + 1
        return self._lab

    def _end_laboratory(self):
        if self._lab:
            if os.environ.get("CASTLE_LAB_KEEP"):
                self._keep("whole")
            lab, self._lab = self._lab, None
            self._struck = {}
            lab.close()

    def _print(self, outcome, seconds):
        def gap(probe):
            return f"{outcome.gaps[probe]:7.2f}" if probe in outcome.gaps else f"{'-':>7}"
        lost = f"{outcome.bytes_lost} of {outcome.bytes_allowed}" if outcome.rows_lost else "-"
        whole = outcome.phases.get("whole after the end of the fault")
        print(f"{outcome.fault:<28} {outcome.timing:<9} {'FAILED' if outcome.wrong else 'ok':<7} {gap('any')} "
              f"{gap('kept')} {gap('fresh')} {gap('fresh, haproxy')} {gap('fresh, haproxy tuned')} "
              f"{outcome.failed_statements:6} {outcome.rows_acknowledged:6} {outcome.rows_lost:5} {lost:>18} "
              f"{'-' if whole is None else f'{whole:.2f}':>7}   ({seconds:.0f} s)", file=self._out, flush=True)
        phases = ", ".join(f"{name} {at:.2f}" for name, at in sorted(outcome.phases.items(), key=lambda item: item[1])
                           if not name.startswith("whole"))
        if phases:
            print(f"    {phases}", file=self._out, flush=True)
        if outcome.after_thaw:
            print(f"    just after the thaw: {outcome.after_thaw} acknowledgements", file=self._out, flush=True)
        for text in [*outcome.notes, *(f"WRONG: {text}" for text in outcome.wrong)]:
            print(f"    {text}", file=self._out, flush=True)

    def _show_logs(self, name):
        if not self._lab:
            return
        for member in self._lab.members:
            try:
                lines = member.log_text().splitlines()[-TAIL:]
            except OSError as error:
                lines = [str(error)]
            sys.stderr.write(f"==== {member.name} (agent {'runs' if member.runs else 'does not run'})\n" +
                             "\n".join(lines) + "\n")
        sys.stderr.flush()
        self._keep(name)

    def _keep(self, name):
        keep = os.environ.get("CASTLE_LAB_LOGS")
        if keep:
            target = f"{keep}/lab-{name}-{time.time():.2f}"
            shutil.copytree(self._lab.directory, target, symlinks=True, ignore_dangling_symlinks=True,
                            ignore=lambda folder, names: [
                                n for n in names if n in ("base", "pg_wal", "etcd", "run") or n.startswith(".s.")])
            sys.stderr.write(f"==== kept below {target}\n")
