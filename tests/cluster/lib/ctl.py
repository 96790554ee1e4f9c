"""The command line, ours or the peer's, as an operator types it."""
import os
import subprocess


class Ctl:
    def __init__(self, cluster, command):
        """`command` is what stands before the sub-command, such as ["patronictl"]."""
        self._cluster = cluster
        self._command = command

    def __call__(self, *arguments, status=0, stdin="", config=True, env=None):
        """Runs it and returns its two outputs joined; any other exit status is a failure."""
        options = ["-c", self._cluster.members[0].file] if config else []
        done = subprocess.run([*self._command, *options, *arguments], input=stdin, capture_output=True, text=True,
                              check=False, timeout=120,
                              env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self._cluster.directory,
                                   **(env or {})})
        output = done.stdout + done.stderr
        assert done.returncode == status, \
            f"{' '.join(arguments)} ended with {done.returncode}, not {status}:\n{output}"
        return output

    def rows(self, *arguments):
        """A command with -f tsv, as a list of dictionaries."""
        lines = self(*arguments, "-f", "tsv").splitlines()
        titles = lines[0].split("\t")
        return [dict(zip(titles, line.split("\t"))) for line in lines[1:] if line]
