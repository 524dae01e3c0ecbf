package console_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"altostack/compute/computetest"
	"altostack/compute/console"
	"altostack/hostapi"
)

// TestToken: a token opens the console it was made for, once.
func TestToken(t *testing.T) {
	cloud := computetest.Open(t, computetest.New("host1"))
	s := cloud.Boot(t, nil)
	web := httptest.NewServer(console.Handler(cloud.Service, slog.New(slog.NewTextHandler(io.Discard, nil))))
	defer web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	token, err := cloud.Service.IssueConsole(ctx, computetest.Scope(), s.ID, hostapi.ConsoleSerial)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(path string) (*websocket.Conn, int, error) {
		c, answer, err := websocket.Dial(ctx, web.URL+path, &websocket.DialOptions{Subprotocols: []string{"binary"}})
		if answer != nil {
			return c, answer.StatusCode, err
		}
		return c, 0, err
	}
	if _, status, err := dial("/console/vnc?token=" + token); err == nil || status != http.StatusForbidden {
		t.Errorf("a serial token opens VNC: %d", status)
	}
	if look, err := http.Get(web.URL + "/console/serial?token=" + token); err != nil || look.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("looking at the address: %v, %v", look, err)
	}
	c, _, err := dial("/console/serial?token=" + token)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subprotocol() != "binary" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	if err := c.Write(ctx, websocket.MessageBinary, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(ctx); err != nil || string(got) != "hello" {
		t.Errorf("the console says %q, %v", got, err)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil && !errors.Is(err, io.EOF) && websocket.CloseStatus(err) < 0 {
		t.Logf("close: %v", err)
	}
	if _, status, err := dial("/console/serial?token=" + token); err == nil || status != http.StatusForbidden {
		t.Errorf("a token opens twice: %d", status)
	}
	if _, status, err := dial("/console/serial?token=wrong"); err == nil || status != http.StatusForbidden {
		t.Errorf("a wrong token: %d", status)
	}
}
