"""Every Go program of the local cluster, with its version: the one place to change when a newer one is wanted."""

from __future__ import annotations

from facility.dev.cluster.golang import Program

#: 1.34 is the last minor version whose kubelet starts on cgroup v1, which build sandboxes still have
_KUBERNETES = "v1.34.4"
_CALICO = "v3.28.5"
_COMPONENT = "k8s.io/component-base/version"
_CALICO_MODULE = "github.com/projectcalico/calico"
_KUBERNETES_VARIABLES = (
    (f"{_COMPONENT}.gitVersion", _KUBERNETES),
    (f"{_COMPONENT}.gitMajor", "1"),
    (f"{_COMPONENT}.gitMinor", "34"),
    (f"{_COMPONENT}.gitTreeState", "clean"),
    ("k8s.io/client-go/pkg/version.gitVersion", _KUBERNETES),
)


def _kubernetes(name: str, *commands: str) -> Program:
    return Program(
        name,
        "k8s.io/kubernetes",
        _KUBERNETES,
        packages=tuple(f"cmd/{command}" for command in commands),
        variables=_KUBERNETES_VARIABLES,
        siblings=_KUBERNETES.replace("v1.", "v0.", 1),
    )


#: what developers and CI run themselves
KIND = Program("kind", "sigs.k8s.io/kind", "v0.33.0")
HELM = Program(
    "helm",
    "helm.sh/helm/v3",
    "v3.22.0",
    packages=("cmd/helm",),
    variables=(("helm.sh/helm/v3/internal/version.version", "v3.22.0"),),
)
KUBECTL = _kubernetes("kubectl", "kubectl")
KUBECONFORM = Program("kubeconform", "github.com/yannh/kubeconform", "v0.8.0", packages=("cmd/kubeconform",))

#: what runs in the node
KUBERNETES = _kubernetes(
    "kubernetes",
    *("kubeadm", "kubelet", "kubectl"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
)
CONTAINERD = Program(
    "containerd",
    "github.com/containerd/containerd/v2",
    "v2.4.2",
    packages=("cmd/containerd", "cmd/ctr", "cmd/containerd-shim-runc-v2"),
    variables=(("github.com/containerd/containerd/v2/version.Version", "2.4.2"),),
    tags="no_aufs no_zfs no_btrfs no_devmapper",
)
RUNC = Program(
    "runc", "github.com/opencontainers/runc", "v1.5.2", variables=(("main.version", "1.5.2"),), tags="seccomp", cgo=True
)
CNI = Program(
    "cni",
    "github.com/containernetworking/plugins",
    "v1.9.1",
    packages=("plugins/ipam/host-local", "plugins/main/loopback", "plugins/meta/portmap"),
)
COREDNS = Program("coredns", "github.com/coredns/coredns", "v1.14.7")
ETCD = Program("etcd", "go.etcd.io/etcd/server/v3", "v3.6.16")
LOCAL_PATH = Program("local-path-provisioner", "github.com/rancher/local-path-provisioner", "v0.0.30")
#: the only version of this module on the Go proxy is in truth the head of its release-v3.28 branch; felix refuses to
#: start a second time under a version that is not vX.Y.Z, so it is told which one it is
CALICO = Program(
    "calico",
    _CALICO_MODULE,
    "v1.11.0-cni-plugin.0.20250813170300-a0db560f0520",
    packages=("node/cmd/calico-node", "cni-plugin/cmd/calico", "cni-plugin/cmd/install"),
    variables=(
        (f"{_CALICO_MODULE}/node/buildinfo.GitVersion", _CALICO),
        (f"{_CALICO_MODULE}/node/pkg/lifecycle/startup.VERSION", _CALICO),
    ),
    requires=("github.com/projectcalico/api@v0.0.0-20240708202104-e3f70b269c2c",),
    replaces=("github.com/Microsoft/hcsshim@v0.12.9",),
)
NODE = (KIND, KUBERNETES, CONTAINERD, RUNC, CNI, COREDNS, ETCD, LOCAL_PATH, CALICO)
