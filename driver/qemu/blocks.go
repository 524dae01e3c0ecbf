package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"altostack/driver/qemu/qmp"
	"altostack/kernel/fault"
)

// addNode hands the files of a disk over and makes its block node.
func (p plugger) addNode(ctx context.Context, d disk) error {
	sets := map[string]int{}
	for _, f := range diskFiles(d) {
		set, err := addFile(ctx, p.mon, f)
		if err != nil {
			return errors.Join(err, dropSets(context.WithoutCancel(ctx), p.mon, sets))
		}
		sets[f.Path] = set
	}
	node := blockNode(d, func(path string) int { return sets[path] })
	if err := p.mon.Run(ctx, "blockdev-add", node, nil); err != nil {
		cause := errors.Join(err, dropSets(context.WithoutCancel(ctx), p.mon, sets))
		if strings.Contains(err.Error(), `" lock`) {
			return fault.Because(cause, fault.CodeQemuDiskInUse, "Disk %s of server %s is in use elsewhere.", d.ID, p.id)
		}
		return fault.Because(cause, fault.CodeQemuDiskUnusable, "The host cannot use disk %s of server %s.", d.ID, p.id)
	}
	return nil
}

// addFile opens a file, hands it over, and answers its descriptor set.
func addFile(ctx context.Context, mon *qmp.Client, what inherited) (int, error) {
	f, err := openDisk(what)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	return addOpen(ctx, mon, f)
}

func addOpen(ctx context.Context, mon *qmp.Client, f *os.File) (int, error) {
	var set struct {
		ID int `json:"fdset-id"`
	}
	err := mon.Run(ctx, "add-fd", nil, &set, f)
	return set.ID, err
}

func dropSets(ctx context.Context, mon *qmp.Client, sets map[string]int) error {
	var all error
	for _, set := range sets {
		all = errors.Join(all, mon.Run(ctx, "remove-fd", object{"fdset-id": set}, nil))
	}
	return all
}

// node is what query-named-block-nodes says of one.
type node struct {
	Name  string `json:"node-name"`
	File  string `json:"file"`
	Image struct {
		Size    int64 `json:"virtual-size"`
		Backing *struct {
			Name string `json:"filename"`
		} `json:"backing-image"`
	} `json:"image"`
}

func queryNodes(ctx context.Context, mon *qmp.Client) ([]node, error) {
	var nodes []node
	err := mon.Run(ctx, "query-named-block-nodes", object{"flat": true}, &nodes)
	return nodes, err
}

func findNode(ctx context.Context, mon *qmp.Client, name string) (*node, error) {
	nodes, err := queryNodes(ctx, mon)
	for i := range nodes {
		if nodes[i].Name == name {
			return &nodes[i], err
		}
	}
	return nil, err
}

// dropNode removes a block node that no device uses, and then every descriptor
// that no node uses, which ends the files' locks. None there is success.
func (p plugger) dropNode(ctx context.Context, name string) error {
	return dropNode(ctx, p.mon, name)
}

func dropNode(ctx context.Context, mon *qmp.Client, name string) error {
	found, err := findNode(ctx, mon, name)
	if err != nil {
		return err
	}
	if found != nil {
		if err := mon.Run(ctx, "blockdev-del", object{"node-name": name}, nil); err != nil {
			return err
		}
	}
	return sweepSets(ctx, mon)
}

// sweepSets removes the descriptor sets of files that no block node has open.
func sweepSets(ctx context.Context, mon *qmp.Client) error {
	nodes, err := queryNodes(ctx, mon)
	if err != nil {
		return err
	}
	var sets []struct {
		ID  int `json:"fdset-id"`
		FDs []struct {
			Opaque string `json:"opaque"`
		} `json:"fds"`
	}
	if err := mon.Run(ctx, "query-fdsets", nil, &sets); err != nil {
		return err
	}
	for _, set := range sets {
		name := fmt.Sprintf("/dev/fdset/%d", set.ID)
		used := slices.ContainsFunc(nodes, func(n node) bool { return n.File == name })
		console := len(set.FDs) > 0 && set.FDs[0].Opaque == "console"
		if used || console || len(set.FDs) == 0 {
			continue
		}
		if err := mon.Run(ctx, "remove-fd", object{"fdset-id": set.ID}, nil); err != nil {
			return err
		}
	}
	return nil
}
