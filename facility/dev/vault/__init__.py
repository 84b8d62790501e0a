"""A real HashiCorp Vault for tests: its own core, KV engine and Kubernetes authentication, built from Go modules.

Vault's repository builds with folders of itself that are not in its module, at a version of its SDK that the Go module
proxy does not have. So its source is copied, brought up to the SDK that there is (none of it in what is tested:
counters of certificates, rotation and billing of the Enterprise edition), and linked with `server.go` beside this file.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

from facility.dev.cluster import golang
from facility.dev.cluster.golang import Program
from facility.dev.cluster.problems import ClusterError
from facility.dev.cluster.run import cache, logged, step

VAULT = Program(
    "vault",
    "github.com/hashicorp/vault",
    "v1.21.4",
    requires=("github.com/hashicorp/vault/sdk@v0.25.1", "github.com/hashicorp/vault/api@v1.23.0"),
)
_SERVER = Path(__file__).parent / "server.go"
_LEFT_OUT = shutil.ignore_patterns("ui", "website", "changelog", "enos")
#: in which file what stands instead of what
_EDITS = (
    (
        "acme_billing_system_view.go",
        "\t_ logical.PkiCertificateCountSystemView = (*acmeBillingSystemViewImpl)(nil)\n",
        "",
    ),
    (
        "acme_billing_system_view.go",
        "\t_ logical.PkiCertificateCountSystemView = (*acmeBillingSystemViewImplNoSourcer)(nil)\n",
        "",
    ),
    (
        "acme_billing_system_view.go",
        "\t_ logical.PkiCertificateCountSystemView = (*acmeBillingSystemViewImplNoManagedKeys)(nil)\n",
        "",
    ),
    ("acme_billing_system_view.go", "GetPkiCertificateCounter() logical.PkiCertificateCounter {", "nothing() {"),
    ("acme_billing_system_view.go", "\treturn a.core.GetPkiCertificateCounter()\n", ""),
    ("core_stubs_oss.go", "GetPkiCertificateCounter() logical.PkiCertificateCounter {", "nothing() {"),
    ("core_stubs_oss.go", "\treturn logical.NewNullPkiCertificateCounter()\n", ""),
    ("core_stubs_oss.go", '\t"github.com/hashicorp/vault/sdk/logical"\n', ""),
    (
        "identity_store_util.go",
        "req *logical.Request) error {\n\tgo func()",
        "_ *logical.Request, _ string) error {\n\tgo func()",
    ),
    ("logical_system_activation_flags.go", "ActivationFunc(ctx, nil)", 'ActivationFunc(ctx, nil, "")'),
)
_ADDED = """package vault

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/rotation"
)

func (d dynamicSystemView) GetConsumptionBillingManager() logical.ConsumptionBillingManager {
	return logical.NewNullConsumptionBillingManager()
}

func (d dynamicSystemView) RegisterRotationJobWithResponse(
	context.Context, *rotation.RotationJobConfigureRequest,
) (*rotation.RotationInfo, error) {
	return nil, errors.New("nothing rotates here")
}
"""


def build() -> Path:
    """The program, built now unless it was before. Raises ClusterError."""
    text = f"{_SERVER.read_text()}{_EDITS}{_ADDED}{VAULT.digest()}"
    folder = cache() / "go" / f"vault-server-{sha256(text.encode()).hexdigest()[:12]}"
    done = folder / "vault"
    if not done.exists():
        with step(f"build Vault {VAULT.version}"):
            golang.fresh_module(folder, VAULT)
            _brought_up(shutil.copytree(golang.source(VAULT), folder / "source", ignore=_LEFT_OUT))
            with (folder / "go.mod").open("a") as module:
                module.write(f"replace {VAULT.module} => ./source\n")
            shutil.copy(_SERVER, folder)
            command = ["go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
            logged([*command, "-o", "new", "."], cwd=folder, env={"CGO_ENABLED": "0", "GOWORK": "off"})
            shutil.rmtree(folder / "source")
            (folder / "new").rename(done)
    return done


def _brought_up(source: Path) -> None:
    """Makes Vault's source one for the SDK that there is. Raises ClusterError when it is not as expected."""
    for path in (source, *source.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the module cache is read-only
    package = source / "vault"
    for name, before, after in _EDITS:
        text = (package / name).read_text()
        if before not in text:
            raise ClusterError(f"Vault's {name} is not as it was: {before.strip()!r} is not in it")
        (package / name).write_text(text.replace(before, after))
    (package / "facility.go").write_text(_ADDED)
