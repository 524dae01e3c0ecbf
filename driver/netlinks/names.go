package netlinks

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// short turns an id into the 12 hex digits that names of links are made with:
// a UUID's first twelve, as people recognise those, or else a digest's.
func short(id string) string {
	s := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	if len(s) == 32 {
		if _, err := hex.DecodeString(s); err == nil {
			return s[:12]
		}
	}
	return digest(id)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// Names of links; the kernel allows 15 characters.
func tapName(portID string) string     { return "tap" + short(portID) }
func bridgeName(netID string) string   { return "br" + short(netID) }
func serviceName(netID string) string  { return "sv" + short(netID) } // fabric end
func routerName(portID string) string  { return "rp" + short(portID) }
func uplinkName(netID string) string   { return "up" + short(netID) }
func insideName(portID string) string  { return "lan" + short(portID) } // router's end
func gatewayName(portID string) string { return "wan" + short(portID) }

// serviceLink is the one link in a network's own namespace.
const serviceLink = "svc"

// hostName is the root namespace's end of an external network.
func hostName(cloud, netID string) string {
	return ("al" + cloud + "-" + short(netID))[:15]
}

// hostAlias marks a link in the root namespace as this cloud's.
func hostAlias(cloud, netID string) string { return "altostack " + cloud + " " + netID }

func fabricNS(cloud string) string           { return "alto-" + cloud }
func networkNS(cloud, netID string) string   { return "alto-" + cloud + "-n-" + netID }
func routerNS(cloud, routerID string) string { return "alto-" + cloud + "-r-" + routerID }
func hostTable(cloud string) string          { return "alto_" + cloud }
func ownNamespace(cloud, name string) bool {
	return name == fabricNS(cloud) ||
		strings.HasPrefix(name, fabricNS(cloud)+"-n-") || strings.HasPrefix(name, fabricNS(cloud)+"-r-")
}

// numbers gives each id a number in [1,limit] that depends on the id and, only
// where two hash alike, on the others: so it is the same in every run, and one
// port more or less leaves the rest alone. prefer may name a number itself.
func numbers(ids []string, limit uint32, prefer func(id string) uint32) map[string]uint32 {
	ids = slices.Sorted(slices.Values(ids))
	taken, out := make(map[uint32]bool, len(ids)), make(map[string]uint32, len(ids))
	for _, id := range slices.Compact(ids) {
		n := prefer(id)
		for salt := 0; n == 0 || n > limit || taken[n]; salt++ {
			h := fnv.New32a()
			h.Write([]byte(id + "/" + strconv.Itoa(salt)))
			n = h.Sum32()%limit + 1
		}
		taken[n], out[id] = true, n
	}
	return out
}
