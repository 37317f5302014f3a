module p2pnet

go 1.19
