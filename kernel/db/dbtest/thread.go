package dbtest

import "runtime"

func lockThread() { runtime.LockOSThread() }
