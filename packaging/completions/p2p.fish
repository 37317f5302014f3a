# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_p2p_global_optspecs
    string join \n h/help V/version
end

function __fish_p2p_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_p2p_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_p2p_using_subcommand
    set -l cmd (__fish_p2p_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c p2p -n "__fish_p2p_needs_command" -s h -l help -d 'Print help'
complete -c p2p -n "__fish_p2p_needs_command" -s V -l version -d 'Print version'
complete -c p2p -n "__fish_p2p_needs_command" -f -a "doctor" -d 'Shows the NAT this machine is behind, whether its port can be opened and reached, and what to do about it'
complete -c p2p -n "__fish_p2p_needs_command" -f -a "listen" -d 'Shows this machine\'s locator, and talks with whoever connects by it'
complete -c p2p -n "__fish_p2p_needs_command" -f -a "connect" -d 'Connects to a peer by its locator, shows what was tried as a timeline, and talks'
complete -c p2p -n "__fish_p2p_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s s -l server -d 'Rendezvous server, HOST:PORT: shows which NAT this is. Several are better than one' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s r -l reach -d 'Server that knocks on our port: HOST:PORT of its HTTP, or the URL of a net.php. A p2p-rendezvous tells its own' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s n -l ntp -d 'NTP server: shows how wrong the clock is' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s p -l port -d 'Port to open and have knocked on; 0 = any' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s i -l interface -d 'Network interface, by name or address' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s g -l gateway -d 'Routers to ask for the port, by address, separated by commas; found out if not given' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -l timeout -d 'Longest time to wait for the answers, in seconds' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -l no-mapping -d 'Do not ask routers for the port'
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -l json -d 'One JSON object instead of a page, without progress'
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s v -l verbose -d 'Say everything that happens, on standard error'
complete -c p2p -n "__fish_p2p_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s s -l server -d 'Rendezvous server, HOST:PORT: by it peers find each other and learn of their NATs. May be given several times' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s n -l network -d 'Name of the network; nodes of others are turned away' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s k -l key-file -d 'File with this node\'s secret key, made if it is not there; a new key each time if not given' -r -F
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s p -l port -d 'Port to listen on; 0 = any' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s i -l interface -d 'Network interface, by name or address' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l ntp -d 'NTP server (classic hole punching goes by the clock)' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l mailbox -d 'Mailbox for messages between nodes, HOST:PORT or URL (classic)' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l mainline -d 'Node of BitTorrent\'s DHT to begin with, HOST:PORT, or "public": by it peers find each other without a server. This node\'s addresses then lie there for all who know its key' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l relay-sessions -d 'Relay for so many pairs of nodes of the network at one time that cannot reach each other, if this node can be reached itself. What it passes on it cannot read. 0 = for nobody' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l relay-rate -d 'Bytes per second that it passes on for all pairs together (a quarter of it for one); 0 = no limit' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l classic -d 'Speak PyP2P\'s protocol, in clear text and with locators of version 2, instead of the secure dialect'
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l no-mapping -d 'Do not ask routers for a port'
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s v -l verbose -d 'Say everything that happens, on standard error'
complete -c p2p -n "__fish_p2p_using_subcommand listen" -l echo -d 'Answer each line with it'
complete -c p2p -n "__fish_p2p_using_subcommand listen" -s h -l help -d 'Print help'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s s -l server -d 'Rendezvous server, HOST:PORT: by it peers find each other and learn of their NATs. May be given several times' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s n -l network -d 'Name of the network; nodes of others are turned away' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s k -l key-file -d 'File with this node\'s secret key, made if it is not there; a new key each time if not given' -r -F
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s p -l port -d 'Port to listen on; 0 = any' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s i -l interface -d 'Network interface, by name or address' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l ntp -d 'NTP server (classic hole punching goes by the clock)' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l mailbox -d 'Mailbox for messages between nodes, HOST:PORT or URL (classic)' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l mainline -d 'Node of BitTorrent\'s DHT to begin with, HOST:PORT, or "public": by it peers find each other without a server. This node\'s addresses then lie there for all who know its key' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l timeout -d 'Longest time for connecting, in seconds' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l say -d 'Say this line to the peer when connected. May be given several times' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l lines -d 'End after so many lines of the peer\'s' -r -f
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l classic -d 'Speak PyP2P\'s protocol, in clear text and with locators of version 2, instead of the secure dialect'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l no-mapping -d 'Do not ask routers for a port'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s v -l verbose -d 'Say everything that happens, on standard error'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s q -l quit -d 'End when the story is told'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -l json -d 'The story as one JSON object instead of a timeline, and nothing else'
complete -c p2p -n "__fish_p2p_using_subcommand connect" -s h -l help -d 'Print help'
complete -c p2p -n "__fish_p2p_using_subcommand help; and not __fish_seen_subcommand_from doctor listen connect help" -f -a "doctor" -d 'Shows the NAT this machine is behind, whether its port can be opened and reached, and what to do about it'
complete -c p2p -n "__fish_p2p_using_subcommand help; and not __fish_seen_subcommand_from doctor listen connect help" -f -a "listen" -d 'Shows this machine\'s locator, and talks with whoever connects by it'
complete -c p2p -n "__fish_p2p_using_subcommand help; and not __fish_seen_subcommand_from doctor listen connect help" -f -a "connect" -d 'Connects to a peer by its locator, shows what was tried as a timeline, and talks'
complete -c p2p -n "__fish_p2p_using_subcommand help; and not __fish_seen_subcommand_from doctor listen connect help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
