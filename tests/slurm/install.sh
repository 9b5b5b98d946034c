#!/bin/sh
# SLURM and munge from Debian's packages, for the tests; needs root. Starts nothing.
set -e
command -v slurmctld slurmd munged >/dev/null && exit 0
[ "$(id -u)" = 0 ] || { echo "not root: SLURM is not installed"; exit 1; }
# Debian would start the services.
[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null
