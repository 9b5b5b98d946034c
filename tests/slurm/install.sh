#!/bin/sh
# SLURM and munge from Debian's packages, for the tests; needs root. Starts nothing.
set -e
PATH=$PATH:/usr/sbin
missing=
for program in munged slurmctld slurmd sbatch; do command -v $program > /dev/null || missing="$missing $program"; done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "no$missing here, and only root may install it"; exit 1; }
policy=/usr/sbin/policy-rc.d  # while it says 101, Debian starts no service that it installs
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null
