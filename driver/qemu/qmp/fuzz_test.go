package qmp

import "testing"

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7},"package":""},"capabilities":["oob"]}}`,
		`{"return":{},"id":1}`, `{"return":null}`, `{"return":[],"id":18446744073709551615}`,
		`{"error":{"class":"GenericError","desc":"no"},"id":2}`,
		`{"timestamp":{"seconds":-1,"microseconds":-1},"event":"STOP"}`,
		`{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-shutdown"}}`,
		`{"QMP":{}}`, `{"id":-1}`, `[]`, `"`, "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decode(line)
		if err != nil {
			return
		}
		kinds := 0
		for _, set := range []bool{m.greeting != nil, m.event != nil, m.answer != nil, m.failure != nil} {
			if set {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%q is %d messages at once", line, kinds)
		}
	})
}
