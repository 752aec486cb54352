"""A private RabbitMQ node: own ports, own data, loopback only, one generated user and no `guest`.

Nothing of the machine's own broker is touched or used: not its configuration, data, cookie or port
mapper. There is no epmd at all: the node is told where its distribution listens (`-erl_epmd_port`), so
no daemon stays behind, and nobody else's has to be shared. `rabbitmqctl` reaches it with `ctl_environment`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from dlhub_embedded import rabbitmq_files as files
from dlhub_embedded.errors import MissingPrerequisite
from dlhub_embedded.home import write_private
from dlhub_embedded.probe import until_amqp_answers
from dlhub_embedded.process import Command
from dlhub_embedded.server import Part

NODE = "dlhub@localhost"
INSTALL = "apt-get install -y --no-install-recommends rabbitmq-server"
FOLDERS = ("/usr/sbin", "/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/rabbitmq/sbin")


def find_program() -> Path:
    """The script that starts a node. Raises MissingPrerequisite."""
    search = [shutil.which("rabbitmq-server")]
    search += [shutil.which("rabbitmq-server", path=folder) for folder in FOLDERS]
    for found in filter(None, search):
        # Debian's command is a wrapper that changes to the user `rabbitmq`; the real script lies beside it.
        script = Path(found).resolve().with_name("rabbitmq-server")
        if script.exists():
            return script
    raise MissingPrerequisite(
        "RabbitMQ is not on this machine (no rabbitmq-server on PATH or in "
        f"{', '.join(FOLDERS)}). Install it:\n    {INSTALL}\n"
        "or set DLHUB_AMQP_URL to a broker that already runs."
    )


class RabbitNode(Part):
    """One node, used as an async context manager or through start, stop, kill and restart."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        dist_port: int,
        password: str,
        cookie: str,
        log: Path | None = None,
        limits: files.Limits | None = None,
        management_port: int | None = None,
        ready_timeout_s: float = 60,
        stop_timeout_s: float = 20,
    ) -> None:
        log = log or folder / "rabbitmq.log"
        super().__init__("rabbitmq", log, ready_timeout_s=ready_timeout_s, stop_timeout_s=stop_timeout_s)
        self.folder = folder
        self.port = port
        self.dist_port = dist_port
        self.management_port = management_port
        self._limits = limits or files.Limits()
        self._password = password
        self._cookie = cookie

    @property
    def url(self) -> str:
        """Where clients connect, with the generated user and password."""
        return f"amqp://{files.USER}:{quote(self._password, safe='')}@127.0.0.1:{self.port}/"

    @property
    def ports(self) -> dict[str, int]:
        """AMQP, the Erlang distribution and, when asked for, the management interface."""
        ports = {"amqp": self.port, "distribution": self.dist_port}
        return ports | ({"management": self.management_port} if self.management_port else {})

    def command(self) -> Command:
        """Write the node's configuration and say how to run it."""
        program = find_program()
        self._write_files()
        return Command(argv=(str(program),), env=self._environment(), cwd=self.folder, log=self.log)

    async def until_ready(self) -> None:
        """Definitions are loaded before the listener opens: an answer means that our user exists."""
        await until_amqp_answers("127.0.0.1", self.port)

    def ctl_environment(self) -> dict[str, str]:
        """The environment in which `rabbitmqctl` and `erl_call` reach this node."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CTL_ERL_ARGS": f"-start_epmd false -erl_epmd_port {self.dist_port} -dist_listen false",
        }

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        texts = {
            "rabbitmq.conf": files.configuration(self.folder, self.port, self._limits, self.management_port),
            "advanced.config": files.advanced(self._limits),
            "definitions.json": files.definitions(self._password),
            "enabled_plugins": files.plugins(self.management_port),
            ".erlang.cookie": self._cookie,
        }
        for name, text in texts.items():
            write_private(self.folder / name, text)

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            # A file that is not there: without it the machine's own settings would be read.
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            # The script then becomes the node instead of staying as its parent: one process, one id.
            "detached": "true",
            # A crash would otherwise write a dump, with secrets in it, for seconds.
            "ERL_CRASH_DUMP_SECONDS": "0",
            **files.VM_LIMITS,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": files.vm_arguments(NODE, self.dist_port),
        }
