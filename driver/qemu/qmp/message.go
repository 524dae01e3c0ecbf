package qmp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// maxLine bounds one message, in bytes. The largest honest answers, long lists
// of block nodes or properties, stay far below.
const maxLine = 8 << 20

// Version of a QEMU, from its greeting.
type Version struct {
	Major, Minor, Micro int
	Package             string
}

// Event is something QEMU says unasked.
type Event struct {
	Name string
	Data json.RawMessage // an object, or nil
	Time time.Time       // zero if QEMU had no clock
}

// Error is a command's failure as QEMU reports it.
type Error struct {
	Command string
	Class   string // GenericError, DeviceNotFound, CommandNotFound, ...
	Desc    string // English, for operators: it may name host files
}

func (e *Error) Error() string { return fmt.Sprintf("qmp %s: %s: %s", e.Command, e.Class, e.Desc) }

// NotFound reports whether err says that a device is not there.
func NotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == "DeviceNotFound"
}

// message is one line from QEMU; exactly one of the four is set.
type message struct {
	greeting *Version
	event    *Event
	answer   json.RawMessage
	failure  *Error
	id       uint64 // of the command that answer or failure belongs to; 0: none
}

type wireMessage struct {
	QMP *struct {
		Version *struct {
			QEMU struct {
				Major int `json:"major"`
				Minor int `json:"minor"`
				Micro int `json:"micro"`
			} `json:"qemu"`
			Package string `json:"package"`
		} `json:"version"`
	} `json:"QMP"`
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	Timestamp *struct {
		Seconds      int64 `json:"seconds"`
		Microseconds int64 `json:"microseconds"`
	} `json:"timestamp"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	ID json.RawMessage `json:"id"`
}

var errProtocol = errors.New("qmp: not a QMP message")

// decode reads one line. It never panics, whatever the line holds.
func decode(line []byte) (message, error) {
	var w wireMessage
	if err := json.Unmarshal(bytes.TrimSpace(line), &w); err != nil {
		return message{}, fmt.Errorf("%w: %w", errProtocol, err)
	}
	var m message
	if len(w.ID) > 0 && json.Unmarshal(w.ID, &m.id) != nil {
		return message{}, fmt.Errorf("%w: an id that we never sent", errProtocol)
	}
	switch {
	case w.QMP != nil && w.QMP.Version != nil:
		v := w.QMP.Version
		m.greeting = &Version{v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro, v.Package}
	case w.Event != "":
		m.event = &Event{Name: w.Event, Data: w.Data}
		if t := w.Timestamp; t != nil && t.Seconds > 0 {
			m.event.Time = time.Unix(t.Seconds, t.Microseconds*1000)
		}
	case w.Error != nil:
		m.failure = &Error{Class: w.Error.Class, Desc: w.Error.Desc}
	case w.Return != nil:
		m.answer = w.Return
	default:
		return message{}, errProtocol
	}
	return m, nil
}
