complete -c p2p-rendezvous -l listen -d 'Address and port for the rendezvous protocol; repeatable (default: port 8000 on all addresses, IPv4 and IPv6)' -r -f
complete -c p2p-rendezvous -l nat-listen -d 'Second rendezvous port, for NAT measurement; repeatable; `off` for none (default: each --listen port + 1)' -r -f
complete -c p2p-rendezvous -l alternate-address -d 'Further address of this machine, told to nodes that measure their NAT; repeatable. Needed if --listen names no address (`0.0.0.0`, `[::]`) or one that nodes cannot use (default: the addresses of --listen)' -r -f
complete -c p2p-rendezvous -l http -d 'Address and port for HTTP; repeatable; `off` for none (default: port 8080 on all addresses, IPv4 and IPv6)' -r -f
complete -c p2p-rendezvous -l store -d 'File for the mailbox, made if it is not there; `memory` keeps nothing across a restart' -r -F
complete -c p2p-rendezvous -l log-format -d 'Log (on standard error) for people or for programs' -r -f -a "text\t''
json\t''"
complete -c p2p-rendezvous -l log-level -d 'How much to log; `debug` shows every connection and request' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c p2p-rendezvous -l seed -d 'Seed of all random choices, to make a run repeatable. For tests: nonces of signalling can be guessed then' -r -f
complete -c p2p-rendezvous -l max-connections -d 'Connections at once' -r -f
complete -c p2p-rendezvous -l max-connections-per-address -d 'Connections at once from one IPv4 address or IPv6 /64' -r -f
complete -c p2p-rendezvous -l requests-per-second -d 'Requests per second from one address in the long run' -r -f
complete -c p2p-rendezvous -l request-burst -d 'Requests from one address at once after a quiet time' -r -f
complete -c p2p-rendezvous -l first-request-timeout -d 'A connection without a request by then is closed' -r -f
complete -c p2p-rendezvous -l idle-timeout -d 'A connection without requests for so long is closed, unless a hole-punching node waits on it' -r -f
complete -c p2p-rendezvous -l node-lifetime -d 'A node that does not register again for so long is forgotten' -r -f
complete -c p2p-rendezvous -l max-passive-nodes -d 'Passive nodes known at once; then the oldest goes' -r -f
complete -c p2p-rendezvous -l max-passive-per-network -d 'Passive nodes known at once from one IPv6 /64' -r -f
complete -c p2p-rendezvous -l max-candidates-per-node -d 'Challengers waiting for one node' -r -f
complete -c p2p-rendezvous -l max-candidates-per-connection -d 'Nodes one connection challenges at once' -r -f
complete -c p2p-rendezvous -l write-buffer -d 'Bytes that may wait for a client that does not read' -r -f
complete -c p2p-rendezvous -l signal-max-nodes -d 'Nodes that can be reached by signalling; 0 switches it off' -r -f
complete -c p2p-rendezvous -l signal-max-nodes-per-address -d 'Nodes from one IPv4 address or IPv6 /64' -r -f
complete -c p2p-rendezvous -l signal-prove-timeout -d 'A node has to prove its key so soon after ENTER' -r -f
complete -c p2p-rendezvous -l signal-proofs-per-second -d 'Proofs per second from one address in the long run' -r -f
complete -c p2p-rendezvous -l signal-proof-burst -d 'Proofs from one address at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-max-proofs-per-second -d 'Proofs per second from all together' -r -f
complete -c p2p-rendezvous -l signal-idle-timeout -d 'A node that says nothing for so long, not even ECHO, is thrown out' -r -f
complete -c p2p-rendezvous -l signal-lines-per-second -d 'Lines per second of one node in the long run' -r -f
complete -c p2p-rendezvous -l signal-line-burst -d 'Lines of one node at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-messages-per-second -d 'Messages per second from one node in the long run' -r -f
complete -c p2p-rendezvous -l signal-message-burst -d 'Messages from one node at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-pair-messages-per-second -d 'Messages per second from one node to one other; from all nodes of an address to one node four times as many' -r -f
complete -c p2p-rendezvous -l signal-pair-message-burst -d 'Messages from one node to one other at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-address-messages-per-second -d 'Messages per second from one address in the long run' -r -f
complete -c p2p-rendezvous -l signal-address-message-burst -d 'Messages from one address at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-receiver-messages-per-second -d 'Messages per second to one node in the long run' -r -f
complete -c p2p-rendezvous -l signal-receiver-message-burst -d 'Messages to one node at once after a quiet time' -r -f
complete -c p2p-rendezvous -l signal-max-message -d 'Longest message before base64url, 8192 at most' -r -f
complete -c p2p-rendezvous -l signal-queue -d 'Messages that one receiver has not confirmed yet' -r -f
complete -c p2p-rendezvous -l signal-queue-bytes -d 'Their bytes' -r -f
complete -c p2p-rendezvous -l signal-heard-timeout -d 'A receiver that has not confirmed a message after so long is thrown out' -r -f
complete -c p2p-rendezvous -l relay-max-sessions -d 'Relayed connections at once; 0 is the same as --no-relay' -r -f
complete -c p2p-rendezvous -l relay-max-waiting -d 'Nodes that wait for the other one at once' -r -f
complete -c p2p-rendezvous -l relay-max-per-address -d 'Nodes that wait or are relayed from one IPv4 address or IPv6 /64' -r -f
complete -c p2p-rendezvous -l relay-wait-timeout -d 'How long a node waits for the other one' -r -f
complete -c p2p-rendezvous -l relay-idle-timeout -d 'A relayed connection through which nothing has got for so long is cut' -r -f
complete -c p2p-rendezvous -l relay-rate -d 'Bytes per second of one relayed connection in the long run, both ways together; 0: no limit' -r -f
complete -c p2p-rendezvous -l relay-burst -d 'Bytes of one relayed connection at once after a quiet time' -r -f
complete -c p2p-rendezvous -l relay-max-rate -d 'Bytes per second of all relayed connections together, which take turns; 0: no limit' -r -f
complete -c p2p-rendezvous -l relay-max-bytes -d 'A relayed connection is cut after so many bytes; 0: no limit' -r -f
complete -c p2p-rendezvous -l relay-buffer -d 'What the system may keep for each direction of each node\'s connection; 0: as much as it likes' -r -f
complete -c p2p-rendezvous -l http-max-connections -d 'Connections at once' -r -f
complete -c p2p-rendezvous -l http-max-connections-per-address -d 'Connections at once from one IPv4 address or IPv6 /64' -r -f
complete -c p2p-rendezvous -l http-requests-per-second -d 'Requests per second from one address in the long run' -r -f
complete -c p2p-rendezvous -l http-request-burst -d 'Requests from one address at once after a quiet time' -r -f
complete -c p2p-rendezvous -l http-header-timeout -d 'A request\'s head has to be complete by then' -r -f
complete -c p2p-rendezvous -l http-body-timeout -d 'A request\'s body has to be complete by then' -r -f
complete -c p2p-rendezvous -l http-write-timeout -d 'A client that reads nothing of its answer for so long is closed' -r -f
complete -c p2p-rendezvous -l http-max-head -d 'Longest request line and headers, at least 8192' -r -f
complete -c p2p-rendezvous -l http-max-body -d 'Longest request body' -r -f
complete -c p2p-rendezvous -l long-poll -d 'How long a call for messages waits for one' -r -f
complete -c p2p-rendezvous -l max-waiters -d 'Calls waiting for messages at once' -r -f
complete -c p2p-rendezvous -l max-waiters-per-node -d 'Calls waiting for messages to one node at once' -r -f
complete -c p2p-rendezvous -l max-port-checks -d 'Port checks at once' -r -f
complete -c p2p-rendezvous -l port-check-timeout -d 'How long a port check waits for the connection' -r -f
complete -c p2p-rendezvous -l mailbox-max-nodes -d 'Registered nodes' -r -f
complete -c p2p-rendezvous -l mailbox-max-nodes-per-address -d 'Registered nodes from one IPv4 address or IPv6 /64' -r -f
complete -c p2p-rendezvous -l mailbox-node-lifetime -d 'A node not heard of for so long is forgotten' -r -f
complete -c p2p-rendezvous -l mailbox-max-messages-per-node -d 'Messages waiting for one node' -r -f
complete -c p2p-rendezvous -l mailbox-max-message -d 'Longest message' -r -f
complete -c p2p-rendezvous -l mailbox-max-total -d 'All waiting messages together' -r -f
complete -c p2p-rendezvous -l mailbox-message-lifetime -d 'A message not fetched for so long is dropped' -r -f
complete -c p2p-rendezvous -l mailbox-max-answer -d 'Bytes of messages in one answer; the rest comes with the next' -r -f
complete -c p2p-rendezvous -l print-addrs -d 'When ready, print the addresses listened on as one JSON line on standard output'
complete -c p2p-rendezvous -l list-loopback -d 'Name nodes at 127.0.0.1 and ::1 to others (for tests on one machine)'
complete -c p2p-rendezvous -l no-relay -d 'Do not pass bytes between nodes that cannot reach each other; they are told so and find another server'
complete -c p2p-rendezvous -s h -l help -d 'Print help'
complete -c p2p-rendezvous -s V -l version -d 'Print version'
