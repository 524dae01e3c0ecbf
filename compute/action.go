package compute

import "time"

// Action is a request that changed a server, kept for its owner to read.
type Action struct {
	Number                           int64
	ServerID, RequestID, Name        string
	UserID, ProjectID                string
	Message                          string // empty unless it failed
	StartedAt, FinishedAt, UpdatedAt time.Time
	Events                           []Event
}

// Event is one part of an action.
type Event struct {
	Name       string    `json:"name"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	Result     string    `json:"result,omitempty"` // Success or Error
	Host       string    `json:"host,omitempty"`
	Details    string    `json:"details,omitempty"`
}
