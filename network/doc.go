// Package network owns networks, subnets, ports, routers, floating IPs and
// security groups: what each is, who may see it, how addresses are given out,
// and what every host's dataplane should look like.
//
// The one idea: a resource is a row of its table and a row of the attribute
// tables that Neutron itself publishes (kernel/contract). One engine reads those
// for every create, update, show and list: which attributes may be given, their
// defaults, conversions and checks, the policy rule each asks for, and which are
// hidden. What is left to a resource is its logic: three functions and a fill.
//
// A change is one serial transaction, so that two callers never get the same
// address, segmentation id or MAC; unique indexes stand behind that. Whatever a
// host must learn of is collected while the change runs and told once it is
// durable (Config.Rewire); a host that missed it asks for the whole.
//
// Wire format: OpenStack Networking API v2.0; messages and exception names are
// those clients branch on.
package network
