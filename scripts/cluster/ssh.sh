#!/usr/bin/env bash
# A Ray cluster of plain machines, driven over SSH from the machine that is its head:
#   ssh.sh start WORKER...        starts Ray here and on the workers, with a token that only they know
#   ssh.sh run SPACE [OPTION...]  runs a sweep there, or continues it; --output-dir must be one that every machine sees
#   ssh.sh stop WORKER...         stops what `start` has started
# Every machine has this project and its .venv under the same path, and lets the head in without a password.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin=${SMARTMIXED_BIN:-$PWD/.venv/bin}
port=${RAY_PORT:-6379}
address=${RAY_HEAD:-$(hostname -I | cut -d' ' -f1)}:$port
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

# What one machine does. The workers are sent it as text over standard input, so no token is on any command line.
begin() {
    mkdir -p ~/.smartmixed-ray
    setsid "$@" >~/.smartmixed-ray/log 2>&1 </dev/null &
    echo $! >~/.smartmixed-ray/pid
}
end() {
    if [ -f ~/.smartmixed-ray/pid ]; then kill "$(cat ~/.smartmixed-ray/pid)" && rm ~/.smartmixed-ray/pid; fi
}

case ${1:-} in
start)
    (umask 077 && "$bin/ray" get-auth-token --generate >/dev/null)
    chmod 600 ~/.ray/auth_token  # it may have been there before
    begin "$bin/ray" start --block --head --port="$port" --include-dashboard=false
    "$bin/python" scripts/cluster/wait_for_nodes.py "$address" 1
    for worker in "${@:2}"; do
        # shellcheck disable=SC2087  # expanding here is the point
        ssh "$worker" bash <<END
            $(declare -f begin)
            (umask 077 && mkdir -p ~/.ray && rm -f ~/.ray/auth_token && echo '$(cat ~/.ray/auth_token)' >~/.ray/auth_token)
            export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
            begin '$bin/ray' start --block --address='$address'
END
    done
    "$bin/python" scripts/cluster/wait_for_nodes.py "$address" $#
    ;;
run)
    exec "$bin/smartmixed-search" "$@" --ray-address "$address"
    ;;
stop)
    for worker in "${@:2}"; do ssh "$worker" bash <<<"$(declare -f end); end"; done
    end
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
