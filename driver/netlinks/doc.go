// Package netlinks owns the network of one Linux host: it makes what
// [hostapi.HostNetwork] asks for out of bridges, taps, veths, namespaces,
// nftables and two small servers, and nothing of the cloud lives anywhere else.
//
// The one idea: a pure function ([Build]) writes down everything that should
// exist, as plain data that prints as text; Apply compares that with what the
// kernel has and touches only what differs. Running it again, after a crash or
// after somebody deleted a piece by hand, is the same as running it once.
//
// What is made, with C the cloud's short id:
//
//	alto-C            the fabric: one bridge per network, one persistent tap per
//	                  port; anti-spoofing in nftables' bridge family, security
//	                  groups in its inet family behind br_netfilter, a conntrack
//	                  zone per network. It has no addresses and forwards nothing.
//	alto-C-n-NETWORK  the network's DHCP and metadata server's side of a veth
//	alto-C-r-ROUTER   a router: veths, addresses, NAT, metadata, advertisements
//	root namespace    only for external networks: a veth named alC-…, marked by
//	                  its alias, and, with masquerading, one table inet alto_C
//
// Packets of a guarded port carry a 32-bit mark that names the port: set by the
// bridge family before br_netfilter hands the packet to the inet family's
// prerouting hook (where the sender's rules are) and set anew for the receiver
// before its forward hook (where the receiver's rules are). Rules are chains
// named by the hash of their content, so ports of one group share one chain and
// a change swaps a map element.
//
// Any method may be called at any time; they run one after the other, while the
// servers run beside them. The driver needs the nft program and a kernel with
// IPv6, bridge netfilter, conntrack zones and tun. The wire formats are rtnetlink, nftables' own language (read by
// the nft program), DHCPv4 (RFC 2131, 3442), DHCPv6 (RFC 8415) and router
// advertisements (RFC 4861); the behaviour wanted is that of Neutron.
package netlinks
