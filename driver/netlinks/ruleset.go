package netlinks

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nfgenmsg is the header of every nfnetlink message: family, version, resource.
const nfgenmsgLen = 4

// Numbers of nf_tables messages (linux/netfilter/nf_tables.h).
const (
	nftMsgGetGen = 16
	nftaGenID    = 1
)

// generation reads the number that the kernel raises with every change of the
// namespace's ruleset, whoever makes it. It costs one small message.
func (s *space) generation() (uint32, error) {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|nftMsgGetGen, 0)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: s.nft}
	req.AddRawData(make([]byte, nfgenmsgLen))
	answers, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("read ruleset generation of %q: %w", s.name, err)
	}
	for _, a := range answers {
		if len(a) < nfgenmsgLen {
			continue
		}
		attrs, err := nl.ParseRouteAttr(a[nfgenmsgLen:])
		if err != nil {
			return 0, err
		}
		for _, attr := range attrs {
			if attr.Attr.Type&^unix.NLA_F_NET_BYTEORDER == nftaGenID && len(attr.Value) >= 4 {
				return binary.BigEndian.Uint32(attr.Value), nil
			}
		}
	}
	return 0, fmt.Errorf("read ruleset generation of %q: no number in the answer", s.name)
}

// nft runs the nft program in the namespace; input is its whole transaction.
func (s *space) runNFT(ctx context.Context, input string, args ...string) (string, error) {
	var out, problem bytes.Buffer
	err := s.do(func() error {
		cmd := exec.CommandContext(ctx, "nft", args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &problem
		return cmd.Run()
	})
	if err != nil {
		return "", fmt.Errorf("nft %s in %q: %w: %s", strings.Join(args, " "), s.name, err, firstLines(problem.String()))
	}
	return out.String(), nil
}

func firstLines(s string) string {
	lines := strings.SplitN(s, "\n", 7)
	return strings.Join(lines[:min(len(lines), 6)], "\n")
}

func tableKey(t Table) string { return t.Family + " " + t.Name }

// rulesMatch reports whether nobody changed our tables since we did. In our own
// namespaces any change counts; in the root namespace others have tables too, so
// there a new generation means reading ours.
func (s *space) rulesMatch(ctx context.Context) bool {
	if len(s.tables) == 0 && s.name == "" {
		return true
	}
	gen, err := s.generation()
	if err != nil {
		return false
	}
	if gen == s.gen {
		return true
	}
	if s.name != "" || s.listed == "" {
		return false
	}
	listed, err := s.list(ctx)
	if err != nil || listed != s.listed {
		return false
	}
	s.gen = gen
	return true
}

// list prints our tables as the kernel has them.
func (s *space) list(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, key := range sortedKeys(s.tables) {
		text, err := s.runNFT(ctx, "", append([]string{"list", "table"}, strings.Fields(key)...)...)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// applyRules makes the namespace's tables match in one transaction: only what
// differs from the last one, or everything if somebody else was there.
func (s *space) applyRules(ctx context.Context, want []Table) error {
	trusted := s.gen != 0 && s.rulesMatch(ctx)
	var tx strings.Builder
	now := map[string]Table{}
	for _, t := range want {
		key := tableKey(t)
		now[key] = t
		if old, ok := s.tables[key]; ok && trusted {
			tx.WriteString(change(old, t))
			continue
		}
		tx.WriteString(t.replace())
	}
	for _, key := range sortedKeys(s.tables) {
		if _, ok := now[key]; !ok {
			fmt.Fprintf(&tx, "add table %s\ndelete table %s\n", key, key)
		}
	}
	if tx.Len() > 0 {
		if _, err := s.runNFT(ctx, tx.String(), "-f", "-"); err != nil {
			s.gen = 0 // next time, everything
			return err
		}
	}
	s.tables = now
	return s.remember(ctx, tx.Len() > 0 || !trusted)
}

func (s *space) remember(ctx context.Context, changed bool) error {
	if !changed {
		return nil
	}
	gen, err := s.generation()
	if err != nil {
		return err
	}
	if s.name == "" {
		if s.listed, err = s.list(ctx); err != nil {
			return err
		}
	}
	s.gen = gen
	return nil
}

// foreign lists tables in one of our own namespaces that are not planned.
func foreign(listing string, want []Table) []string {
	var out []string
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "table" &&
			!slices.ContainsFunc(want, func(t Table) bool { return t.Family == f[1] && t.Name == f[2] }) {
			out = append(out, f[1]+" "+f[2])
		}
	}
	return out
}
