"""The program that tells HTCondor which GPUs an execute pod has (MACHINE_RESOURCE_INVENTORY_GPUs).

Kubernetes counts GPUs and lets a pod see its own only; HTCondor's discovery finds those of NVIDIA, with what they can
do. Of others it knows nothing: then there are as many as the pod was given, numbered.
"""

from __future__ import annotations

#: EP_GPUS comes from the execute pod
TEXT = """\
#!/bin/sh
found=$(/usr/libexec/condor/condor_gpu_discovery -properties 2>/dev/null)
case "$found" in
  *DetectedGPUs=\\"*) echo "$found"; exit 0 ;;
esac
names= number=0
while [ "$number" -lt "${EP_GPUS:-0}" ]; do
  names="$names${names:+, }CUDA$number"
  number=$((number + 1))
done
echo "DetectedGPUs=\\"$names\\""
"""
