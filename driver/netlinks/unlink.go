package netlinks

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// doomed is the group that links are put in to be deleted together.
const doomed = 0x7fffa170

// deleteLinks deletes links of the namespace. The kernel waits for a grace
// period with each deletion, so many go in one: a thousand cost what one does.
// A link that is not there is success.
func (s *space) deleteLinks(links []netlink.Link) error {
	if len(links) == 1 {
		return gone(links[0], s.nl.LinkDel(links[0]))
	}
	var errs []error
	for _, l := range links {
		errs = append(errs, gone(l, s.nl.LinkSetGroup(l, doomed)))
	}
	if len(links) == 0 {
		return nil
	}
	req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	sock, err := nl.GetNetlinkSocketAt(s.handle, -1, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("delete links of %q: %w", s.name, err)
	}
	defer sock.Close()
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: sock}}
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(doomed)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.ENODEV) {
		errs = append(errs, fmt.Errorf("delete links of %q: %w", s.name, err))
	}
	return errors.Join(errs...)
}

func gone(l netlink.Link, err error) error {
	if err == nil || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("delete link %s: %w", l.Attrs().Name, err)
}
