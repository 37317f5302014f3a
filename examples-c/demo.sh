#!/bin/sh
# demo.sh - starts a rendezvous server, alice and bob, shows what all three say, and checks that they understood each other.
#
#   make demo                                                    builds everything first
#   SERVER=path/to/p2p-rendezvous EXAMPLES=folder examples-c/demo.sh      LINES_EACH_WAY=5
#
# Everything stays on this machine: the server on a free port of 127.0.0.1, alice on 127.0.0.2, bob on 127.0.0.3. Nothing
# sleeps or guesses: each step begins when a program has said that it is ready for it. All of them write into one pipe,
# which is read here, line by line: "L alice text" is a line, "E alice" the end of what alice has to say.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
SERVER=${SERVER:-$root/target/tools/tools/p2p-rendezvous}
EXAMPLES=${EXAMPLES:-$root/build/examples}
count=${LINES_EACH_WAY:-5}
watchdog_seconds=60

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    server_colour=$(printf '\033[2m') alice_colour=$(printf '\033[35m') bob_colour=$(printf '\033[36m')
    plain=$(printf '\033[0m')
else
    server_colour='' alice_colour='' bob_colour='' plain=''
fi

for program in "$SERVER" "$EXAMPLES/alice" "$EXAMPLES/bob"; do
    if [ ! -x "$program" ]; then
        echo "demo: FAILED: $program is not there; \`make demo\` builds it" >&2
        exit 1
    fi
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/p2pnet-demo.XXXXXX") || exit 1
server_pid='' alice_pid='' bob_pid='' watchdog_pid=''

cleanup() {
    for pid in $server_pid $alice_pid $bob_pid $watchdog_pid; do
        kill "$pid" 2>/dev/null
    done
    wait # the programs stop cleanly and at once; the readers end with them
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'exit 141' PIPE # whoever reads this has left; a shell that a signal ends runs no EXIT trap

# fail PART WHAT: the end, with what that part has said.
fail() {
    echo "demo: FAILED: $1: $2" >&2
    if [ -s "$dir/$1.log" ]; then
        echo "demo: all that $1 said:" >&2
        sed 's/^/    /' "$dir/$1.log" >&2
    fi
    exit 1
}

# start NAME PROGRAM...: runs it; its lines go into the common pipe. Its process id is then in $started.
start() {
    who=$1
    shift
    mkfifo "$dir/$who" && : >"$dir/$who.log"
    while IFS= read -r line || [ -n "$line" ]; do
        printf 'L %s %s\n' "$who" "$line"
    done <"$dir/$who" >&3 && echo "E $who" >&3 &
    "$@" >"$dir/$who" 2>&1 </dev/null 3>&- &
    started=$!
}

mkfifo "$dir/all" && exec 3<>"$dir/all" || exit 1
(
    sleep $watchdog_seconds 3>&- &
    trap 'kill $! 2>/dev/null' TERM
    wait $! && echo "E watchdog" >&3
) &
watchdog_pid=$!

start server "$SERVER" --listen 127.0.0.1:0 --nat-listen off --http off --store memory --print-addrs \
    --max-connections 100 --http-max-connections 100 --log-level debug
server_pid=$started

address=''
while :; do
    IFS= read -r line <&3 || fail demo "cannot read the common pipe"
    kind=${line%% *} rest=${line#* }
    name=${rest%% *} text=${rest#* }
    if [ "$kind" = L ]; then
        printf '%s\n' "$text" >>"$dir/$name.log"
        case "$name:$text" in
        server:'{'*) # {"rendezvous":["127.0.0.1:40000"],...}: it is ready, and this is where
            address=${text#*\"rendezvous\":[\"}
            address=${address%%\"*}
            text="ready at $address"
            start alice "$EXAMPLES/alice" --port 0 --server "$address" --lines "$count"
            alice_pid=$started
            ;;
        server:*Z\ *) text=${text#*Z } ;; # the time says nothing here
        alice:'listed at '*)              # now she can be found
            start bob "$EXAMPLES/bob" --port 0 --server "$address" --lines "$count"
            bob_pid=$started
            ;;
        esac
        eval "colour=\$${name}_colour"
        printf '%s%-8s %s%s\n' "$colour" "[$name]" "$text" "$plain"
        continue
    fi
    case $name in # somebody has ended
    server)
        wait "$server_pid"
        fail server "ended with status $?"
        ;;
    watchdog)
        part=bob
        [ -n "$bob_pid" ] || part=alice
        [ -n "$address" ] || part=server
        fail $part "nothing more happened; given up after $watchdog_seconds seconds"
        ;;
    *)
        eval "pid=\$${name}_pid"
        wait "$pid"
        status=$?
        eval "${name}_pid=''"
        [ $status -eq 0 ] || fail "$name" "ended with status $status"
        ended="${ended:-}$name "
        case $ended in 'alice bob ' | 'bob alice ') break ;; esac
        ;;
    esac
done

heard_by_alice=$(grep -cx '< test' "$dir/alice.log")
heard_by_bob=$(grep -cx '< got it' "$dir/bob.log")
[ "$heard_by_alice" -ge "$count" ] || fail alice "heard $heard_by_alice lines of $count"
[ "$heard_by_bob" -ge "$count" ] || fail bob "heard $heard_by_bob lines of $count"
for name in alice bob; do
    grep -q '^connected: .*, encrypted, who has the key [A-Za-z0-9_-]' "$dir/$name.log" || fail $name "was not encrypted"
done
kill "$server_pid"
wait "$server_pid"
status=$? server_pid=''
[ $status -eq 0 ] || fail server "ended with status $status when told to stop"
echo "demo: ok: bob found alice through the rendezvous server; $heard_by_alice lines went to her," \
    "$heard_by_bob answers came back; all of it encrypted (the secure dialect)"
