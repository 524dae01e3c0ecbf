package wiretest

import ("testing";"time")
func TestWorld(t *testing.T){ s:=time.Now(); w:=NewWorld(Open(t,nil)); t.Log(time.Since(s), w.B.IDs) }
