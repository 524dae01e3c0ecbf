//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdWeb: FOLDER — serves it, and redirects from /to?URL; $WEB and $WEB_PORT say where.
func cmdWeb(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.RawQuery, http.StatusFound) })
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	ts.Defer(func() { _ = server.Close() })
	ts.Setenv("WEB", "http://"+l.Addr().String())
	ts.Setenv("WEB_PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}
