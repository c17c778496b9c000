#!/usr/bin/env bash
# From nothing to a first answer: makes the environment, runs the quickstart sweep on the embedded digits, shows the top 3.
source "$(dirname "$0")/environment.sh"
prepare_environment

command=.venv/bin/smartmixed-search
$command run quickstart "$@"
cat <<EOF

What next:
  source .venv/bin/activate
  smartmixed-search top --by architecture       the best strategies of each architecture
  smartmixed-search top --by trial              the best settings found
  smartmixed-search ui                          everything, in MLflow's page
  smartmixed-search spaces quickstart           the search space, a start for your own
  smartmixed-search run mnist-mlp --dry-run     what a sweep on MNIST would cost
EOF
