package wire

import (
	"io"
	"net/http"
	"sync"
)

// inProcess carries requests of the host agent to the public APIs when both live
// in this process: the same handlers, headers and tokens, without the sockets.
type inProcess struct{ handler http.Handler }

// RoundTrip answers once the handler has begun to; the body streams.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	read, write := io.Pipe()
	w := &streamed{header: http.Header{}, body: write, begun: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil { // http.ErrAbortHandler: the answer is cut
				w.begin(http.StatusBadGateway)
				_ = write.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.begin(http.StatusOK)
			_ = write.Close()
		}()
		t.handler.ServeHTTP(w, in)
	}()
	select {
	case <-w.begun:
	case <-r.Context().Done():
		_ = read.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	return &http.Response{Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: read, ContentLength: -1, Request: r}, nil
}

// streamed is a ResponseWriter that feeds a pipe.
type streamed struct {
	header, sent http.Header
	body         *io.PipeWriter
	once         sync.Once
	status       int
	begun        chan struct{}
}

func (s *streamed) Header() http.Header { return s.header }

func (s *streamed) begin(status int) {
	s.once.Do(func() {
		s.status, s.sent = status, s.header.Clone()
		close(s.begun)
	})
}

func (s *streamed) WriteHeader(status int) { s.begin(status) }

func (s *streamed) Write(b []byte) (int, error) {
	s.begin(http.StatusOK)
	return s.body.Write(b)
}
